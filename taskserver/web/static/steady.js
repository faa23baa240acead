// Rows move when something was done or has happened. A press that was meant for what stood there a moment ago must not
// reach what stands there now: a second click on Stop would else delete the next job.

const SAME_PLACE_PX = 24;
const STILL_MS = 700;

let pointer = null;
let moved = null;

export function begin() {
  for (const kind of ["pointermove", "pointerdown"]) {
    document.addEventListener(kind, (event) => (pointer = { x: event.clientX, y: event.clientY }), { passive: true });
  }
  document.addEventListener("click", refuse, true);
}

/** Carries out a change of the page, and remembers whether another button is now where the pointer rests. */
export function steadily(change) {
  const before = pressed();
  change();
  const now = pressed();
  if (now && now !== before) moved = { ...pointer, at: performance.now() };
}

function pressed() {
  return pointer && (document.elementFromPoint(pointer.x, pointer.y)?.closest("button, a, input, summary") ?? null);
}

function refuse(event) {
  // Those of the keyboard have no place: they go where the focus is.
  if (!moved || !event.detail || performance.now() - moved.at > STILL_MS) return;
  if (Math.hypot(event.clientX - moved.x, event.clientY - moved.y) > SAME_PLACE_PX) return;
  event.preventDefault();
  event.stopPropagation();
}
