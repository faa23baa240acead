// Shows what a schedule means while it is being typed. Without this module the button "Preview" does it.

import { morph } from "./morph.js";

const PAUSE = 250;

const form = document.querySelector("form[data-preview]");
const place = document.getElementById("part_preview");

if (form && place) {
  let waiting = 0;
  let newest = 0;

  form.querySelector(".without-script")?.remove();

  async function look() {
    const number = ++newest;
    const query = new URLSearchParams({
      cron_spec: form.elements.cron_spec.value,
      time_zone: form.elements.time_zone.value,
    });
    try {
      const answer = await fetch(`${form.dataset.preview}?${query}`, {
        headers: { "X-Part": "part_preview" },
        cache: "no-store",
        redirect: "error",
      });
      if (!answer.ok || number !== newest) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      const part = fresh.getElementById("part_preview");
      if (part) morph(place, part);
    } catch {
      // The form works without; the next letter tries again.
    }
  }

  form.addEventListener("input", (event) => {
    if (event.target !== form.elements.cron_spec && event.target !== form.elements.time_zone) return;
    window.clearTimeout(waiting);
    waiting = window.setTimeout(look, PAUSE);
  });
}
