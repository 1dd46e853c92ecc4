export const byId = (id) => document.getElementById(id);

export function append(parent, tag, className, text) {
  const child = document.createElement(tag);
  if (className) child.className = className;
  if (text) child.textContent = text;
  parent.append(child);
  return child;
}

export function button(parent, text, click, className) {
  const made = append(parent, 'button', className, text);
  made.type = 'button';
  made.addEventListener('click', click);
  return made;
}

/** Of several buttons the one that is on. */
export function pressed(buttons, on) {
  for (const button of buttons) button.setAttribute('aria-pressed', String(button === on));
}
