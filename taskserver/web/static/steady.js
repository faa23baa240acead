// Rows move when something was done or has happened. A press that was meant for what stood there a moment ago must not
// reach what stands there now: a second click on Stop would else delete the next job.

const PRESSED = "button, input"; // links and menus do no harm
const STILL_MS = 600;
const SAME_PLACE_PX = 12;

let moved = new Set();
let movedAt = 0;

export function begin() {
  document.addEventListener("click", refuse, true);
}

/** Carries out a change of the page, and remembers what has moved by it, or has only just come. */
export function steadily(change) {
  const before = places();
  change();
  const now = [...places()].filter(([each, place]) => isFar(before.get(each), place)).map(([each]) => each);
  if (!now.length) return;
  moved = new Set(now);
  movedAt = performance.now();
}

function places() {
  const all = document.querySelectorAll(`[data-part] :is(${PRESSED})`);
  return new Map([...all].map((each) => [each, each.getBoundingClientRect()]));
}

function isFar(before, now) {
  return now.width > 0 && !(before && Math.hypot(before.x - now.x, before.y - now.y) < SAME_PLACE_PX);
}

function refuse(event) {
  // Presses of the keyboard have no place: they go where the focus is.
  if (!event.detail || performance.now() - movedAt > STILL_MS) return;
  if (!moved.has(event.target.closest?.(PRESSED))) return;
  event.preventDefault();
  event.stopPropagation();
}
