//! A conversation of ChatGPT's export: a tree of messages, of which the branch counts that the user saw last.

use std::collections::HashMap;

use crate::dataset::column::member;
use crate::dataset::json::{self, string};
use crate::dataset::record::Object;

use super::Message;

/// Kinds of content under the user's name that nobody wrote: settings, and what was quoted from a page or a file.
const UNSAID: [&str; 2] = ["user_editable_context", "tether_quote"];

/// The messages from the root to the current node.
///
/// # Errors
/// Where the tree has a cycle, or a node names a parent that is not there.
pub fn messages(record: &Object) -> Result<Vec<Message<'_>>, String> {
    let mapping = record.get("mapping").unwrap_or("{}");
    let members = json::members(mapping).map_err(|e| format!("\"mapping\": {e}"))?;
    let nodes: HashMap<_, &str> = members.iter().map(|(id, node)| (json::unescape(&mapping[id.clone()]), &mapping[node.clone()])).collect();
    let current = record.get("current_node").and_then(string);
    // Exports without one show the branch that was written last.
    let is_leaf = |node: &str| member(node, "children").and_then(json::elements).is_none_or(|children| children.is_empty());
    let last =
        || members.iter().rev().find(|(_, node)| is_leaf(&mapping[node.clone()])).map(|(id, _)| json::unescape(&mapping[id.clone()]));
    let mut next = current.or_else(last);
    let mut branch = Vec::new();
    let mut child = None;
    while let Some(id) = next {
        let Some(node) = nodes.get(&id) else {
            return Err(match child {
                Some(child) => format!("the node {child:?} names the parent {id:?}, which is not in \"mapping\""),
                None => format!("\"current_node\" is {id:?}, which is not in \"mapping\""),
            });
        };
        if branch.len() == nodes.len() {
            return Err(format!("the tree has a cycle: the node {id:?} is among its own parents"));
        }
        branch.push(*node);
        next = member(node, "parent").and_then(string);
        child = Some(id);
    }
    Ok(branch.into_iter().rev().filter_map(message).collect())
}

fn message(node: &str) -> Option<Message<'_>> {
    let message = member(node, "message").filter(|raw| raw.starts_with('{'))?;
    let role = string(member(member(message, "author")?, "role")?)?;
    let content = member(message, "content")?;
    let metadata = member(message, "metadata");
    let hidden = metadata.and_then(|raw| member(raw, "is_visually_hidden_from_conversation")) == Some("true")
        || member(content, "content_type").and_then(string).is_some_and(|kind| UNSAID.contains(&kind.as_ref()));
    (!hidden).then(|| Message {
        user: role == "user",
        content: member(content, "parts").unwrap_or(content),
        time: member(message, "create_time"),
        model: metadata.and_then(|raw| member(raw, "model_slug")),
    })
}
