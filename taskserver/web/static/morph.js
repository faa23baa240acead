// Brings one element into the shape of another with as few changes as possible, so that focus, selected text, open
// details and what somebody has typed or ticked stay as they are. Children are matched by their id.

/** Changes `present` until it looks like `wanted`. Both are elements of the same kind. */
export function morph(present, wanted) {
  const active = document.activeElement;
  const caret = caretOf(active);
  const inside = active !== document.body && present.contains(active);
  const row = inside && active.closest("tr[id]");
  element(present, wanted);
  if (!inside) return;
  if (active.isConnected) {
    if (document.activeElement !== active) {
      active.focus({ preventScroll: true });
      if (caret) active.setSelectionRange(caret[0], caret[1]);
    }
  } else {
    // What had the focus is gone: its row has it now, else the part itself, so that the keyboard goes on from there.
    (row && row.isConnected ? row : present).focus({ preventScroll: true });
  }
}

function caretOf(active) {
  try {
    return active && typeof active.selectionStart === "number" ? [active.selectionStart, active.selectionEnd] : null;
  } catch {
    return null;
  }
}

function element(present, wanted) {
  attributes(present, wanted);
  if (present.nodeName === "TEXTAREA" || (present.nodeName === "SELECT" && present === document.activeElement)) return;
  children(present, wanted);
}

// The reader's own: whether something is open or ticked, and what stands in a field.
const OWN = { DETAILS: ["open"], DIALOG: ["open"], INPUT: ["value", "checked"], OPTION: ["selected"] };

function attributes(present, wanted) {
  const own = wanted.type === "hidden" ? [] : OWN[present.nodeName] || [];
  for (const { name, value } of [...wanted.attributes]) {
    if (!own.includes(name) && present.getAttribute(name) !== value) present.setAttribute(name, value);
  }
  for (const { name } of [...present.attributes]) {
    if (!own.includes(name) && !wanted.hasAttribute(name)) present.removeAttribute(name);
  }
}

function children(present, wanted) {
  const known = new Map();
  for (const child of present.children) if (child.id) known.set(child.id, child);
  let place = present.firstChild;
  for (const next of [...wanted.childNodes]) {
    const match = partner(place, next, known);
    if (!match) {
      present.insertBefore(document.importNode(next, true), place);
      continue;
    }
    if (match === place) {
      place = place.nextSibling;
    } else {
      move(present, match, place);
    }
    if (match.nodeType === Node.ELEMENT_NODE) element(match, next);
    else if (match.data !== next.data) match.data = next.data;
  }
  while (place) {
    const after = place.nextSibling;
    place.remove();
    place = after;
  }
}

function partner(place, next, known) {
  if (next.nodeType === Node.ELEMENT_NODE && next.id) {
    const match = known.get(next.id);
    return match && match.nodeName === next.nodeName ? match : null;
  }
  if (!place || place.nodeName !== next.nodeName || place.id) return null;
  return place;
}

function move(parent, child, place) {
  // moveBefore keeps focus and open popovers, where the browser has it.
  if (parent.moveBefore) parent.moveBefore(child, place);
  else parent.insertBefore(child, place);
}
