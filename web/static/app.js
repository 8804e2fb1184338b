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

// A file is read into the field that it fills, where it is seen before it is sent.
document.addEventListener("change", async (event) => {
  const file = event.target.files && event.target.files[0];
  const field = event.target.dataset.fills && document.getElementById(event.target.dataset.fills);
  if (file && field) field.value = await file.text();
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

// Passkeys: what the server asks for comes as JSON with base64url in place of bytes, and the answer
// of the device goes back the same way, in a field of the form.

const toBytes = (text) =>
  Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));

const toText = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replace(/\+/g, "-")
    .replace(/\//g, "_")
    .replace(/=+$/, "");

async function passkeyOptions(form, address) {
  const token = new URLSearchParams({ csrf_token: form.elements.csrf_token.value });
  const answer = await fetch(address, { method: "POST", body: token });
  if (!answer.ok) throw new Error("no options");
  const options = (await answer.json()).publicKey;
  options.challenge = toBytes(options.challenge);
  if (options.user) options.user.id = toBytes(options.user.id);
  for (const key of options.excludeCredentials || []) key.id = toBytes(key.id);
  for (const key of options.allowCredentials || []) key.id = toBytes(key.id);
  return options;
}

function sendCredential(form, credential) {
  const response = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    const value = credential.response[name];
    if (value) response[name] = toText(value);
  }
  form.elements.credential.value = JSON.stringify({
    id: credential.id,
    rawId: toText(credential.rawId),
    type: credential.type,
    response,
    extensions: {},
  });
  form.dataset.answered = "yes";
  delete form.dataset.sent;
  form.requestSubmit();
}

function sayPasskeyFailed(form, cause) {
  delete form.dataset.sent;
  const error = form.querySelector("[data-passkey-error]");
  // The text is the page's own, in its language.
  if (cause.name === "InvalidStateError" && error.dataset.known) error.textContent = error.dataset.known;
  error.hidden = false;
}

let waiting = new AbortController();

const signIn = document.querySelector("form[data-passkey-sign-in]");
if (signIn && window.PublicKeyCredential) {
  signIn.hidden = false;
  const ask = async (mediation) => {
    const publicKey = await passkeyOptions(signIn, "/login/passkey/options");
    sendCredential(signIn, await navigator.credentials.get({ publicKey, mediation, signal: waiting.signal }));
  };
  signIn.addEventListener("submit", (event) => {
    if (signIn.dataset.answered) return;
    event.preventDefault();
    waiting.abort();
    waiting = new AbortController();
    ask("optional").catch((cause) => sayPasskeyFailed(signIn, cause));
  });
  // Offered among the browser's suggestions for the address.
  const conditional = PublicKeyCredential.isConditionalMediationAvailable;
  if (conditional) {
    conditional.call(PublicKeyCredential).then((can) => can && ask("conditional")).catch(() => {});
  }
}

const making = document.querySelector("form[data-passkey-new]");
if (making && window.PublicKeyCredential) {
  making.addEventListener("submit", async (event) => {
    if (making.dataset.answered) return;
    event.preventDefault();
    try {
      const publicKey = await passkeyOptions(making, "/account/passkeys/options");
      sendCredential(making, await navigator.credentials.create({ publicKey }));
    } catch (cause) {
      sayPasskeyFailed(making, cause);
    }
  });
}
// To see what one types; a form that is sent holds a password again, so that browsers offer to keep it.
document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-reveal]");
  const field = button && document.getElementById(button.dataset.reveal);
  if (!field) return;
  const isShown = field.type === "password";
  field.type = isShown ? "text" : "password";
  button.setAttribute("aria-pressed", String(isShown));
});
document.addEventListener("submit", (event) => {
  for (const button of event.target.querySelectorAll("button[data-reveal]")) {
    document.getElementById(button.dataset.reveal).type = "password";
  }
});

// Where something is wrong is where one goes on typing.
const wrong = document.querySelector("main [aria-invalid=true]");
if (wrong) (wrong.matches("fieldset") ? wrong.querySelector("input") : wrong).focus();

// On a phone the sections are a strip: show where we are.
const strip = document.querySelector(".nav");
const here = strip && strip.querySelector("[aria-current]");
if (here) strip.scrollLeft = here.offsetLeft - (strip.clientWidth - here.offsetWidth) / 2;
