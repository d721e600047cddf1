// Asks the server for the rewards of pasted programs. All text goes in as text nodes.
"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  let count = 0;

  function make(name, attributes, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  }

  function add() {
    count += 1;
    const id = `program-${count}`;
    const label = make("label", { for: id }, `Program ${count}`);
    $("programs").append(label, make("textarea", { id, spellcheck: "false", "data-name": `Program ${count}` }));
  }

  const shown = (number) => (number == null ? "–" : number.toFixed(3).replace("-", "−"));

  function table(results) {
    const body = make("tbody", {});
    results.forEach(({ name, raw, reward, status, reason }, at) => {
      body.append(make("tr", {}, make("th", { scope: "row" }, name), make("td", { class: "n" }, String(at + 1)), make("td", { class: "n" }, shown(raw)), make("td", { class: "n" }, shown(reward)), make("td", {}, reason ? `${status}: ${reason}` : status)));
    });
    const head = ["program", "rank", "score", "reward", "status"].map((name, at) => make("th", at > 0 && at < 4 ? { scope: "col", class: "n" } : { scope: "col" }, name));
    return make("table", {}, make("caption", {}, "Best first"), make("thead", {}, make("tr", {}, ...head)), body);
  }

  async function rank(event) {
    event.preventDefault();
    const programs = [...document.querySelectorAll("#programs textarea")].filter((box) => box.value.trim());
    const answer = $("answer");
    if (programs.length === 0) return answer.replaceChildren(make("p", {}, "Paste at least one program."));
    answer.replaceChildren(make("p", {}, "Scoring …"));
    const problem = $("problem").value;
    const items = programs.map((box) => ({ id: box.dataset.name, problem, response: box.value }));
    // Bare programs are taken as they are, so that the server can say where one breaks.
    const policy = programs.some((box) => box.value.includes("```")) ? "best-valid" : "whole";
    try {
      const response = await fetch("/v1/reward", {
        method: "POST", headers: { "content-type": "application/json" },
        body: JSON.stringify({ items, extract: { policy, languages: [$("language").value] }, return: ["raw"] }),
      });
      if (!response.ok) throw new Error(`the server answers ${response.status}: ${(await response.text()).slice(0, 500)}`);
      const { results } = await response.json();
      const named = results.map((result, at) => ({ ...result, name: result.id ?? items[at].id }));
      named.sort((a, b) => (b.raw ?? -Infinity) - (a.raw ?? -Infinity));
      answer.replaceChildren(table(named));
    } catch (error) {
      answer.replaceChildren(make("p", { class: "wrong" }, `No answer: ${error.message}`));
    }
  }

  $("add").addEventListener("click", add);
  $("form").addEventListener("submit", rank);
  add();
  add();
})();
