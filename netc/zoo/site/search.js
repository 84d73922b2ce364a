// Shows the models whose text has all words of the search, while it is typed. Without this script the form asks the server.
"use strict";
const box = document.querySelector("input[type=search]");
const models = [...document.querySelectorAll("li[data-text]")];
const count = document.getElementById("count");
const total = count.textContent.match(/\d+ models/)[0];

function filter() {
  const words = box.value.toLowerCase().split(/\s+/);
  for (const model of models) model.hidden = !words.every((word) => model.dataset.text.includes(word));
  count.textContent = `${models.filter((model) => !model.hidden).length} of ${total}`;
}

// What the server left out cannot be shown again: a list that it filtered is asked for anew.
if (new URLSearchParams(location.search).get("q")) box.form.addEventListener("input", () => box.value || box.form.submit());
else box.addEventListener("input", filter);
