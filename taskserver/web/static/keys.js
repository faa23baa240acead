// Keyboard shortcuts: g and a letter goes to a page, j and k move through rows, x selects, / searches, ? helps.
// A user can switch them off; they never act while somebody types.

const SEQUENCE_MS = 1500;

export function begin() {
  if (document.body.dataset.shortcuts !== "on") return;
  let goingSince = -SEQUENCE_MS;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || isTyping(event.target)) return;
    if (document.querySelector("dialog[open]")) return;
    const going = event.timeStamp - goingSince < SEQUENCE_MS;
    goingSince = -SEQUENCE_MS;
    if (going) {
      const link = document.querySelector(`#navigation a[data-key="${CSS.escape(event.key)}"]`);
      if (link) {
        event.preventDefault();
        link.click();
      }
      return;
    }
    if (event.key === "g") goingSince = event.timeStamp;
    else if (act(event.key)) event.preventDefault();
  });
}

function isTyping(target) {
  return target instanceof HTMLElement && (target.isContentEditable || target.matches("textarea, select, input:not([type=checkbox], [type=radio])"));
}

function act(key) {
  if (key === "?") return openHelp();
  if (key === "/") return focusSearch();
  if (key === "j") return step(1);
  if (key === "k") return step(-1);
  if (key === "x") return select();
  return false;
}

function openHelp() {
  const help = document.getElementById("shortcuts");
  if (!help) return false;
  help.showModal();
  return true;
}

function focusSearch() {
  const search = document.querySelector("[data-search]");
  if (!search) return false;
  search.focus();
  search.select?.();
  return true;
}

function step(by) {
  const rows = [...document.querySelectorAll("[data-rows] tbody > tr")];
  if (!rows.length) return false;
  const here = rows.indexOf(document.activeElement?.closest("tr"));
  const next = here < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.min(Math.max(here + by, 0), rows.length - 1);
  rows[next].tabIndex = -1;
  rows[next].focus();
  return true;
}

function select() {
  const box = document.activeElement?.closest("[data-rows] tbody > tr")?.querySelector("input[type=checkbox]");
  if (!box || box === document.activeElement) return false;
  box.click();
  return true;
}
