// What the pages do beyond links and forms. Without it everything still works, with more reloading.

// Times stand in the page in UTC; here they are put into the reader's zone. The exact value stays in the title.
function localTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (!Number.isNaN(at.getTime())) {
      time.textContent = at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
    }
  }
}

// <button data-copy="id of an element">
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const text = document.getElementById(button.dataset.copy).textContent.trim();
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(document.getElementById(button.dataset.copy));
    button.textContent = "Press Ctrl+C";
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
    if (first && state === "armed") { first = false; return; }
    first = false;
    const fresh = await page(await fetch(location.href));
    capture.replaceWith(fresh.getElementById("capture"));
    const ticked = new Set([...document.querySelectorAll("#choices input:checked")].map((box) => box.value));
    document.getElementById("choices").replaceWith(fresh.getElementById("choices"));
    for (const box of document.querySelectorAll("#choices input")) box.checked = ticked.has(box.value);
    localTimes(document);
    countChoices();
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

// Forms that are worked on step by step: the page comes back changed, without a jump.
async function step(form, submitter) {
  const fields = new FormData(form, submitter?.name ? submitter : undefined);
  if (!fields.has("intent")) fields.set("intent", "refresh");
  const response = await fetch(form.action, { method: "POST", body: new URLSearchParams(fields) });
  const fresh = await page(response);
  const focused = document.activeElement?.id;
  document.getElementById("main").replaceWith(fresh.getElementById("main"));
  localTimes(document);
  const target = document.querySelector("[autofocus]") ?? document.getElementById(focused);
  target?.focus({ preventScroll: true });
  document.querySelector(".verdict.large")?.scrollIntoView({ block: "nearest" });
}
document.addEventListener("submit", (event) => {
  const { target: form, submitter } = event;
  if (!("live" in form.dataset) || !submitter || submitter.value === "save" || submitter.hasAttribute("formaction")) return;
  event.preventDefault();
  step(form, submitter);
});
document.addEventListener("change", (event) => {
  if ("refresh" in event.target.dataset) step(event.target.form);
});

localTimes(document);
followCapture();
countChoices();
