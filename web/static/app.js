// Niceties only: every page works without this file.
"use strict";

function say(button, text) {
  const label = button.querySelector("span") || button;
  const before = label.textContent;
  label.textContent = text;
  button.disabled = true;
  setTimeout(() => {
    label.textContent = before;
    button.disabled = false;
  }, 1600);
}

async function copy(button) {
  const source = document.getElementById(button.dataset.copy);
  if (!source) return;
  try {
    await navigator.clipboard.writeText(source.textContent.trim());
    say(button, "Copied");
  } catch {
    // No permission, or no secure context: select it, so that one key press copies.
    getSelection().selectAllChildren(source);
    say(button, "Press Ctrl+C");
  }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-copy]");
  if (button) copy(button);
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// A filter whose select changes shows its result at once, unless the choice needs more fields.
document.addEventListener("change", (event) => {
  const form = event.target.closest("form[data-autosubmit]");
  if (!form || event.target.value === "custom") return;
  if (form.dataset.autosubmit.split(" ").includes(event.target.name)) form.requestSubmit();
});

// A date typed into the range picker means the custom range.
document.addEventListener("input", (event) => {
  if (event.target.type !== "datetime-local") return;
  const range = event.target.form && event.target.form.elements.range;
  if (range) range.value = "custom";
});

// A second click would send a second form.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  if (form.method === "post") form.dataset.sent = "yes";
});

// Back and forward may bring a page from memory: it could be of somebody who has signed out since.
window.addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
  for (const form of document.forms) delete form.dataset.sent;
});

document.documentElement.classList.add("has-script");

// On a phone the sections are a strip: show where we are.
const strip = document.querySelector(".nav");
const here = strip && strip.querySelector("[aria-current]");
if (here) strip.scrollLeft = here.offsetLeft - (strip.clientWidth - here.offsetWidth) / 2;
