// The page of jobs and the page of one: select all, menus that close, a log that follows its end.

import { update } from "./refresh.js";

const boxes = () => [...document.querySelectorAll('input[name="job"][form="bulk"]')];

function selection() {
  const all = document.querySelector("[data-select-all]");
  const told = document.querySelector("[data-selected]");
  if (!all || !told) return;
  const box = all.querySelector("input");
  all.hidden = false;
  const tell = () => {
    const ticked = boxes().filter((each) => each.checked).length;
    told.textContent = ticked ? `${told.dataset.none} ${ticked}` : told.dataset.none;
    box.checked = ticked > 0 && ticked === boxes().length;
    box.indeterminate = ticked > 0 && !box.checked;
  };
  box.addEventListener("change", () => {
    for (const each of boxes()) each.checked = box.checked;
    tell();
  });
  document.addEventListener("change", (event) => event.target.name === "job" && tell());
  const rows = document.getElementById("part_jobs");
  new MutationObserver(tell).observe(rows, { childList: true, subtree: true });
  tell();
}

function menus() {
  const open = () => document.querySelectorAll("details.menu[open]");
  document.addEventListener("click", (event) => {
    for (const menu of open()) if (!menu.contains(event.target)) menu.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of open()) {
      menu.open = false;
      if (menu.contains(document.activeElement)) menu.querySelector("summary").focus();
    }
  });
}

function refreshing() {
  document.addEventListener("click", async (event) => {
    const link = event.target.closest?.("[data-refresh-now]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    const parts = [...document.querySelectorAll("[data-part][id]")].map((part) => part.id);
    if (!(await update(parts))) window.location.reload();
  });
}

function tail() {
  const part = document.getElementById("part_log");
  if (!part) return;
  let atEnd = true;
  const log = () => part.querySelector("[data-tail]");
  const follow = () => {
    const shown = log();
    if (shown && atEnd) shown.scrollTop = shown.scrollHeight;
  };
  part.addEventListener(
    "scroll",
    () => {
      const shown = log();
      atEnd = shown.scrollHeight - shown.scrollTop - shown.clientHeight < 8;
    },
    true,
  );
  new MutationObserver(follow).observe(part, { childList: true, subtree: true, characterData: true });
  follow();
}

selection();
menus();
refreshing();
tail();
