// Filters the list of models while the user types. Without JavaScript, the form sends the search to the server.
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

// A list that the server has filtered lacks models, so a new search reloads it.
if (new URLSearchParams(location.search).get("q")) box.form.addEventListener("input", () => box.value || box.form.submit());
else box.addEventListener("input", filter);
