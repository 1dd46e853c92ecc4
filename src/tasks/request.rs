//! Splitting a prompt that makes several requests: "Translate this into French and then write a poem about it".
//!
//! A vector of the whole prompt tells one of its requests and next to nothing of the others, so each is classified by itself. The vector of
//! an instruction in a template's frame tells the frame, so the instruction is classified without it.

use super::taxonomy::Read;

/// Longer prompts are not split: their sentences are material and conditions more often than requests.
const MAX_CHARS: usize = 400;
/// More parts are sentences of one request.
const MAX_PARTS: usize = 3;
/// A single word is an aside, such as "Thanks!".
const MIN_WORDS: usize = 2;
/// Words that lead from one request to the next.
const LEADS: [&str; 5] = ["then", "also", "afterwards", "plus", "finally"];
/// Words that begin a request behind a bare "and"; others join two things that one request is about.
const OPENERS: [&str; 27] = [
    "a",
    "add",
    "an",
    "compose",
    "create",
    "describe",
    "draft",
    "explain",
    "find",
    "give",
    "improve",
    "list",
    "make",
    "put",
    "rewrite",
    "say",
    "show",
    "suggest",
    "summarise",
    "summarize",
    "tell",
    "the",
    "translate",
    "turn",
    "use",
    "what",
    "write",
];

/// What begins and ends an instruction in the templates that models are trained with: Alpaca's, Llama's and ChatML.
const FRAMES: [(&str, &str); 3] = [("### Instruction:", "###"), ("[INST]", "[/INST]"), ("<|im_start|>user", "<|im_end|>")];

/// The parts of a text that may be requests of their own: two or three, or the instruction alone where a template frames it; none where the
/// text is one request. It works for English alone.
///
/// ```
/// use pie_embed_wasm::tasks::requests;
/// assert_eq!(requests("Translate this into French, and then write a poem."), ["Translate this into French", "write a poem."]);
/// assert_eq!(requests("Write a response. ### Instruction: Compare cats and dogs ### Response:"), ["Compare cats and dogs"]);
/// assert!(requests("Compare cats and dogs").is_empty());
/// ```
pub fn requests(text: &str) -> Vec<&str> {
    framed(text).map_or_else(|| split(text), |instruction| vec![instruction])
}

/// Texts with the [`requests`] of all of them behind, as one list to embed.
pub struct WithRequests<'t> {
    all: Vec<&'t str>,
    /// Requests of each text.
    counts: Vec<usize>,
}

impl<'t> WithRequests<'t> {
    /// Looks for the requests of each text.
    pub fn new(texts: &[&'t str]) -> Self {
        let parts: Vec<Vec<&str>> = texts.iter().map(|text| requests(text)).collect();
        let counts = parts.iter().map(Vec::len).collect();
        Self { all: texts.iter().copied().chain(parts.into_iter().flatten()).collect(), counts }
    }

    /// The texts, then their requests.
    pub fn all(&self) -> &[&'t str] {
        &self.all
    }

    /// Each text with its requests, of what the model has read of [`all`](Self::all).
    pub fn pairs<'r, 'v>(&self, read: &'r [Read<'v>]) -> Vec<(Read<'v>, &'r [Read<'v>])> {
        let (texts, mut rest) = read.split_at(self.counts.len());
        let pair = |(&text, &count): (&Read<'v>, &usize)| {
            let of_text;
            (of_text, rest) = rest.split_at(count);
            (text, of_text)
        };
        texts.iter().zip(&self.counts).map(pair).collect()
    }
}

/// The first instruction in a template's frame.
fn framed(text: &str) -> Option<&str> {
    let inside = |(begin, end): &(&str, &str)| {
        let (_, rest) = text.split_once(begin)?;
        Some(rest.split_once(end).map_or(rest, |(inside, _)| inside).trim())
    };
    FRAMES.iter().find_map(inside).filter(|inside| !inside.is_empty())
}

/// Two or three parts of a text without a frame; none where it is one request.
fn split(text: &str) -> Vec<&str> {
    if text.chars().nth(MAX_CHARS).is_some() {
        return Vec::new();
    }
    let (mut words, mut place) = (Vec::new(), 0);
    for piece in text.split_inclusive(char::is_whitespace) {
        let word = piece.trim_end();
        if !word.is_empty() {
            words.push((place, word));
        }
        place += piece.len();
    }
    let bare = |at: usize| words.get(at).map_or_else(String::new, |(_, word): &(usize, &str)| word.trim_end_matches(',').to_lowercase());
    // How many words lead to the next request from here on: "and then", "after that".
    let leads = |at: usize| match bare(at).as_str() {
        "after" if bare(at + 1) == "that" => 2,
        word => usize::from(LEADS.contains(&word)),
    };
    let (mut parts, mut start, mut at) = (Vec::new(), 0, 1);
    while at < words.len() {
        let before = words[at - 1].1;
        let is_and = usize::from(bare(at) == "and");
        let ends = before.ends_with(['.', '!', '?', ';']);
        let joins = is_and == 1 && (before.ends_with(',') || OPENERS.contains(&bare(at + 1).as_str()));
        if ends || joins || leads(at + is_and) > 0 {
            parts.push(start..at);
            start = at + is_and;
            while leads(start) > 0 {
                start += leads(start);
            }
            at = start;
        }
        at += 1;
    }
    parts.push(start.min(words.len())..words.len());
    parts.retain(|part| part.len() >= MIN_WORDS);
    if !(2..=MAX_PARTS).contains(&parts.len()) {
        return Vec::new();
    }
    let slice = |part: &std::ops::Range<usize>| {
        let (last, word) = words[part.end - 1];
        text[words[part.start].0..last + word.len()].trim_end_matches([',', ';'])
    };
    parts.iter().map(slice).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_apart() {
        let cases = [
            ("Translate this to French and then write a poem", vec!["Translate this to French", "write a poem"]),
            ("Plan a weekend in Lisbon and make a packing list.", vec!["Plan a weekend in Lisbon", "make a packing list."]),
            ("Implement a stack in Rust. Also write the README.", vec!["Implement a stack in Rust.", "write the README."]),
            ("Summarize the thread; after that, answer my boss", vec!["Summarize the thread", "answer my boss"]),
            ("Write an email, and, finally, a plan", vec!["Write an email", "a plan"]),
            ("Capital of Peru? And give me a recipe", vec!["Capital of Peru?", "give me a recipe"]),
            ("Fix this. Thanks! Then translate it", vec!["Fix this.", "translate it"]),
        ];
        for (text, parts) in cases {
            assert_eq!(requests(text), parts, "{text}");
        }
    }

    #[test]
    fn an_instruction_is_found_in_its_frame() {
        let alpaca = "Below is an instruction. Write a response.\n\n### Instruction:\nSort these\n\n### Input:\n3, 1\n\n### Response:";
        assert_eq!(requests(alpaca), ["Sort these"]);
        // Without its frame it is classified as a whole, however many sentences it has.
        assert_eq!(requests("[INST] Sort these. Then write a poem [/INST] Sure!"), ["Sort these. Then write a poem"]);
        assert_eq!(requests("<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nSort these"), ["Sort these"]);
        assert!(requests("Sort these ### Instruction:").is_empty());
    }

    #[test]
    fn one_request_is_not_taken_apart() {
        let long = "Write a poem. ".repeat(40);
        let many = "Fix this. Fix that. Fix it all. Fix them too.";
        for text in
            ["", "  ", "and then", "Write a poem", "Compare cats and dogs", "Write a poem. Thanks!", "then and then also", many, &long]
        {
            assert!(requests(text).is_empty(), "{text:?}: {:?}", requests(text));
        }
    }
}
