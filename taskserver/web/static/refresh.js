// Brings the parts of a page up to date in place, and sends forms without leaving it. Without this module every
// page works all the same, by loading it again.

import { morph } from "./morph.js";
import { begin as watchPresses, steadily } from "./steady.js";

const PARTS = "[data-part][id]";
const SLOWEST = 60;
const TWICE_MS = 600;

const sending = new WeakSet(); // not an attribute: a part that is brought up to date would take it away

export function begin() {
  const seconds = Number(document.body.dataset.refresh) || 2;
  let failures = 0;

  async function round() {
    if (!document.hidden && document.querySelector(PARTS)) {
      failures = (await update(partNames())) ? 0 : failures + 1;
      tellLost(failures > 1);
    }
    window.setTimeout(round, Math.min(seconds * 2 ** failures, SLOWEST) * 1000);
  }

  window.setTimeout(round, seconds * 1000);
  document.addEventListener("visibilitychange", () => document.hidden || update(partNames()));
  document.addEventListener("submit", send);
  watchPresses();
}

function partNames() {
  return [...document.querySelectorAll(PARTS)].map((part) => part.id);
}

/** Fetches these parts of this page anew and shows them by `draw`; whether that worked. */
export async function update(names, draw = show) {
  if (!names.length) return true;
  try {
    const answer = await fetch(window.location.href, {
      headers: { "X-Part": names.join(" ") },
      cache: "no-store",
      redirect: "error",
    });
    if (answer.status === 401) window.location.reload();
    if (!answer.ok) return false;
    const html = await answer.text();
    steadily(() => draw(html));
    return true;
  } catch {
    return false;
  }
}

function show(html) {
  const fresh = new DOMParser().parseFromString(html, "text/html");
  for (const part of [...fresh.body.children]) {
    const present = part.id && document.getElementById(part.id);
    if (present) morph(present, part);
    if (present && part.dataset.csrf) renew(part.dataset.csrf);
  }
  const live = [...fresh.querySelectorAll("[data-live]")].map((each) => each.textContent.trim()).join(" ");
  if (live) say(live);
}

/** The token of all forms: also of those that stand in no part, after a new sign-in in another window. */
function renew(token) {
  for (const field of document.querySelectorAll("input[name=csrf_token]")) {
    if (field.value !== token) field.value = token;
  }
}

/** Said once by a screen reader, when it has nothing else to say. */
export function say(text) {
  const live = document.getElementById("live");
  if (live && live.textContent !== text) live.textContent = text;
}

function tellLost(lost) {
  let banner = document.getElementById("banner-lost");
  if (lost && !banner) {
    banner = document.createElement("p");
    banner.id = "banner-lost";
    banner.className = "banner bad";
    banner.setAttribute("role", "status");
    const sign = document.createElement("span");
    sign.className = "sign";
    sign.setAttribute("aria-hidden", "true");
    banner.append(sign, document.body.dataset.lost);
    document.querySelector(".content")?.prepend(banner);
  } else if (!lost && banner) {
    banner.remove();
  }
}

async function send(event) {
  const form = event.target;
  if (event.defaultPrevented || !(form instanceof HTMLFormElement) || !form.hasAttribute("data-inplace")) return;
  event.preventDefault();
  const button = event.submitter;
  const sender = button || form;
  if (sending.has(sender)) return;
  sending.add(sender);
  try {
    const answer = await fetch(button?.hasAttribute("formaction") ? button.formAction : form.action, {
      method: "POST",
      body: new URLSearchParams(new FormData(form, button)),
      headers: { "X-Part": "part_flash" },
      redirect: "error",
    });
    if (answer.status === 401) {
      window.location.reload();
    } else if (answer.ok) {
      await goOn(answer.headers.get("X-Location"));
    } else {
      complain(await answer.text());
    }
  } catch {
    complain("");
  } finally {
    // The second press of a double click does nothing, where twice is hardly ever meant.
    window.setTimeout(() => sending.delete(sender), "repeat" in sender.dataset ? 0 : TWICE_MS);
  }
}

async function goOn(address) {
  const there = new URL(address || window.location.href, window.location.href);
  if (there.pathname === window.location.pathname) {
    if (there.search !== window.location.search && there.search) window.history.replaceState(null, "", there);
    await update(["part_flash", ...partNames()], (html) => float(() => show(html)));
  } else {
    window.location.assign(there);
  }
}

function complain(html) {
  const page = new DOMParser().parseFromString(html, "text/html");
  const text = page.querySelector("[data-error]")?.textContent.trim() || document.body.dataset.lost;
  const place = document.getElementById("part_flash");
  if (!place) return;
  const message = document.createElement("p");
  message.className = "flash bad";
  const sign = document.createElement("span");
  sign.className = "sign";
  sign.setAttribute("aria-hidden", "true");
  message.append(sign, text);
  steadily(() => float(() => place.replaceChildren(message)));
}

/** Messages of what was done in place stand above the page, in sight wherever one has scrolled, and move nothing. */
function float(change) {
  document.body.classList.add("in-place");
  change();
  const place = document.getElementById("part_flash");
  const last = place?.lastElementChild;
  if (last) last.append(closing(place));
  makeRoom(place);
}

function closing(place) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet small";
  button.setAttribute("aria-label", document.body.dataset.close);
  button.textContent = "✕";
  let from = null;
  button.addEventListener("focus", (event) => (from = event.relatedTarget));
  button.addEventListener("click", () => close(place, from));
  return button;
}

function close(place, from = null) {
  const inside = place.contains(document.activeElement);
  steadily(() => place.replaceChildren());
  makeRoom(place);
  if (inside) (from?.isConnected ? from : document.getElementById("main"))?.focus({ preventScroll: true });
}

/** What has the focus is scrolled to where no message covers it; also the end of the page. */
function makeRoom(place) {
  const height = place?.childElementCount ? place.getBoundingClientRect().height + 32 : 0;
  document.documentElement.style.scrollPaddingBottom = `${height}px`;
  document.body.style.paddingBottom = `${height}px`;
}

document.addEventListener("keydown", (event) => {
  const place = document.getElementById("part_flash");
  if (event.key !== "Escape" || !place?.childElementCount || !document.body.classList.contains("in-place")) return;
  if (!document.querySelector("dialog[open], details.menu[open]")) close(place);
});
