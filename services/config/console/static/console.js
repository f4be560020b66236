// What the pages do beyond links and forms. Without it everything still works, with more reloading.

// Times stand in the page in UTC; here they are put into the reader's zone. The exact value stays in the title.
function localTimes() {
  for (const time of document.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (!Number.isNaN(at.getTime())) {
      time.textContent = at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
    }
  }
  const zone = document.querySelector(".zone");
  if (zone) zone.textContent = `Times in ${Intl.DateTimeFormat().resolvedOptions().timeZone}`;
}

// For screen readers: what has changed on the page. The place it is said at stays, so that they notice.
function say(text) {
  document.getElementById("said").textContent = text;
}
function sayWhatIsNew(root) {
  const news = root.querySelector("[data-said]");
  if (news) say(news.textContent.trim().replace(/\s+/g, " "));
}

// <button data-copy="id of an element">
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(source.textContent.trim());
    button.textContent = "Copied";
    say("Copied");
  } catch {
    getSelection().selectAllChildren(source);
    button.textContent = "Press Ctrl+C";
    say("It is selected. Press Ctrl+C to copy it.");
  }
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
});

async function page(response) {
  return new DOMParser().parseFromString(await response.text(), "text/html");
}

// A running capture: count down, and with each event take what has changed from the page as it is now.
function followCapture() {
  const capture = document.querySelector("#capture[data-stream]");
  if (!capture) return;
  const stream = new EventSource(capture.dataset.stream);
  let first = true;
  stream.addEventListener("capture", async (event) => {
    const state = JSON.parse(event.data).state;
    if (state !== "armed") stream.close();
    const isKnown = first && state === "armed";
    first = false;
    if (!isKnown && !await showCapture()) await followAnew();
  });
  // After an interruption the browser comes back by itself, but not once the answer was another one.
  stream.addEventListener("error", () => {
    if (stream.readyState === EventSource.CLOSED) followAnew();
  });
  const clock = setInterval(() => {
    const countdown = document.querySelector(".countdown");
    if (!countdown) { clearInterval(clock); return; }
    const left = Math.max(0, Math.ceil((new Date(countdown.dataset.until) - Date.now()) / 1000));
    countdown.textContent = `${left} s left`;
  }, 250);
  async function followAnew() {
    stream.close();
    clearInterval(clock);
    for (let tries = 0; tries < 30 && await untilSignedIn().catch(() => true); tries += 1) {
      await new Promise((passed) => { setTimeout(() => passed(), 1000); });
      if (await showCapture()) { followCapture(); return; }
    }
    document.querySelector(".countdown").textContent = "what comes is not shown here any more; load the page again";
  }
}
async function showCapture() {
  const shown = document.getElementById("capture");
  const fresh = await fetch(shown.dataset.page).then(page).catch(() => null);
  const now = fresh?.getElementById("capture");
  if (!now) return false; // signed out meanwhile, or there was no answer
  const hadFocus = shown.contains(document.activeElement);
  shown.replaceWith(now);
  const summary = document.querySelector("#data > summary .said");
  summary.replaceWith(fresh.querySelector("#data > summary .said"));
  const ticked = new Set([...document.querySelectorAll("#choices input:checked")].map((box) => box.value));
  document.getElementById("choices").replaceWith(fresh.getElementById("choices"));
  for (const box of document.querySelectorAll("#choices input")) box.checked = ticked.has(box.value);
  if (hadFocus) now.querySelector("button, [tabindex]")?.focus({ preventScroll: true });
  localTimes();
  countChoices();
  sayWhatIsNew(now);
  return true;
}

// At most so many boxes can be ticked.
function countChoices() {
  const choices = document.getElementById("choices");
  if (!choices) return;
  const boxes = [...choices.querySelectorAll("input[type=checkbox]")];
  const limit = Number(choices.dataset.atMost);
  const count = boxes.filter((box) => box.checked).length;
  choices.querySelector(".count").textContent = `(${count} of ${limit})`;
  for (const box of boxes) box.disabled = !box.checked && count >= limit;
}
document.addEventListener("change", (event) => {
  if (event.target.closest("#choices")) countChoices();
});

// Leaving a form with something in it that is not saved: the browser asks.
let unsaved = document.querySelector("form[data-kept] [aria-invalid], form[data-kept] .error") !== null;
document.addEventListener("input", (event) => {
  if (event.target.form && "kept" in event.target.form.dataset) unsaved = true;
});
addEventListener("beforeunload", (event) => {
  if (unsaved) event.preventDefault();
});

// Whether the one whose page this is, is signed in. If so every form gets the mark of the session that there is now.
async function isSignedIn() {
  const response = await fetch("/account");
  if (!response.ok) throw new Error("no answer");
  const now = await page(response);
  const mark = now.querySelector("[name=csrf]")?.value;
  const user = (root) => root.querySelector(".who a")?.textContent;
  if (!mark || user(now) !== user(document)) return false;
  for (const field of document.querySelectorAll("[name=csrf]")) field.value = mark;
  return true;
}
// Somebody whose session has ended signs in on this very page, so that nothing that was typed is lost; false if they
// do not want to.
let asking = null;
function untilSignedIn() {
  asking ??= askToSignIn().finally(() => { asking = null; });
  return asking;
}
async function askToSignIn() {
  if (await isSignedIn()) return true;
  const dialog = document.importNode(document.getElementById("again").content.firstElementChild, true);
  document.body.append(dialog);
  dialog.addEventListener("submit", signIn);
  const closed = new Promise((resolve) => { dialog.addEventListener("close", resolve); });
  dialog.showModal();
  await closed;
  dialog.remove();
  return dialog.returnValue === "signed in";
}
async function signIn(event) {
  if (event.submitter?.formMethod === "dialog") return; // not now
  event.preventDefault();
  const { currentTarget: dialog, target: form } = event;
  const login = { email: form.elements.email.value, password: form.elements.password.value };
  const headers = { "Content-Type": "application/json" };
  let said = "There was no answer. Try it once more.";
  try {
    const answer = await fetch("/api/v1/session", { method: "POST", headers, body: JSON.stringify(login) });
    if (answer.ok && await isSignedIn()) dialog.close("signed in");
    else if (!answer.ok) said = (await answer.json()).message;
  } catch { /* the network */ }
  dialog.querySelector(".error").textContent = said;
}

// A step of a form that is worked on step by step sends nothing, see below.
document.addEventListener("submit", (event) => {
  const { target: form, submitter } = event;
  if (!("live" in form.dataset) || !submitter || submitter.value === "save") return;
  event.preventDefault();
  step(form, submitter);
});

// A form is sent once, however often its button is pressed, and by somebody who is signed in.
let sending = false;
let ready = null;
document.addEventListener("submit", async (event) => {
  const { target: form, submitter } = event;
  if (event.defaultPrevented || !form.elements.csrf) return;
  if (form === ready) {
    ready = null;
    if ("kept" in form.dataset) unsaved = false;
    return;
  }
  event.preventDefault();
  if (sending) return;
  sending = true;
  setTimeout(() => { sending = false; }, 10_000); // whoever has stopped it may try again
  try {
    if (await untilSignedIn()) {
      ready = form;
      form.requestSubmit(submitter);
    } else sending = false;
  } catch {
    sending = false;
    unanswered(form);
  }
});
addEventListener("pageshow", () => { sending = false; });

// Forms that are worked on step by step: the page comes back changed, without a jump.
let steps = 0;
async function step(form, submitter, isRepeated = false) {
  const number = ++steps;
  const changesPlaces = submitter?.value.startsWith("remove:");
  if (submitter && submitter.value !== "test") unsaved = true;
  const sent = new FormData(form, submitter?.name ? submitter : undefined);
  if (!sent.has("intent")) sent.set("intent", "refresh");
  let fresh;
  try {
    const response = await fetch(form.action, { method: "POST", body: new URLSearchParams(sent) });
    fresh = (await page(response)).querySelector("form[data-live]")?.closest("main");
  } catch { /* the network: said below */ }
  if (number !== steps) return; // another step has been made meanwhile
  if (!fresh) {
    if (!isRepeated && await untilSignedIn().catch(() => false)) await step(form, submitter, true);
    else unanswered(form);
    return;
  }
  const typed = changesPlaces ? [] : [...new FormData(form)].filter(([name, value]) => sent.has(name) && sent.get(name) !== value);
  const focused = document.activeElement?.id;
  document.getElementById("main").replaceWith(fresh);
  for (const [name, value] of typed) { // while the answer was on its way
    const field = fresh.querySelector(`[name="${CSS.escape(name)}"]`);
    if (field) field.value = value;
  }
  localTimes();
  const target = fresh.querySelector("[autofocus]") ?? document.getElementById(focused);
  target?.focus({ preventScroll: true });
  fresh.querySelector(".verdict.large, #test .error")?.scrollIntoView({ block: "nearest" });
  sayWhatIsNew(fresh);
}
function unanswered(form) {
  const alert = document.createElement("p");
  alert.className = "alert";
  alert.role = "alert";
  alert.textContent = "There was no answer; what you have entered is still here. Try it once more.";
  form.querySelector(".alert")?.remove();
  form.prepend(alert);
  alert.scrollIntoView({ block: "nearest" });
}
document.addEventListener("change", (event) => {
  if ("refresh" in event.target.dataset) step(event.target.form);
});

// A field that a closed section hides cannot say what is wrong with it.
document.addEventListener("invalid", (event) => {
  for (let part = event.target.closest("details"); part; part = part.parentElement.closest("details")) part.open = true;
}, true);

// A page that is loaded again does not say once more what was done.
function forgetNotice() {
  const here = new URL(location.href);
  here.searchParams.delete("notice");
  if (here.href !== location.href) history.replaceState(history.state, "", here);
}

// Where there is no room for all links of the navigation, the one of this page is in sight.
document.querySelector(".side nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

localTimes();
followCapture();
countChoices();
sayWhatIsNew(document);
forgetNotice();
