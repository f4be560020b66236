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
    if (isKnown) return;
    const fresh = await page(await fetch(capture.dataset.page));
    const now = fresh.getElementById("capture");
    if (!now) return; // signed out meanwhile
    const shown = document.getElementById("capture");
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
  });
  const clock = setInterval(() => {
    const countdown = document.querySelector(".countdown");
    if (!countdown) { clearInterval(clock); return; }
    const left = Math.max(0, Math.ceil((new Date(countdown.dataset.until) - Date.now()) / 1000));
    countdown.textContent = `${left} s left`;
  }, 250);
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
document.addEventListener("submit", (event) => {
  if ("kept" in event.target.dataset && !event.defaultPrevented) unsaved = false;
});
addEventListener("beforeunload", (event) => {
  if (unsaved) event.preventDefault();
});

// Forms that are worked on step by step: the page comes back changed, without a jump.
let steps = 0;
async function step(form, submitter) {
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
  if (!fresh) { unanswered(form); return; }
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
  alert.textContent = "There was no answer; what you have entered is still here. If you are signed out, sign in in another tab and copy it over.";
  form.querySelector(".alert")?.remove();
  form.prepend(alert);
}
document.addEventListener("submit", (event) => {
  const { target: form, submitter } = event;
  if (!("live" in form.dataset) || !submitter || submitter.value === "save") return;
  event.preventDefault();
  step(form, submitter);
});
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

localTimes();
followCapture();
countChoices();
sayWhatIsNew(document);
forgetNotice();
