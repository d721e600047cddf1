// Opens pages in headless Chromium and uses them as a person would.
//
// node check.mjs MODULES SCREENSHOTS PAGE.html… [http://ADDRESS]
//
// A page named rank.html is served beside something that answers as the reward server does; an
// address is that of `codescaler serve --ui` on the runs that run.sh makes.
// MODULES is a folder with node_modules (playwright-core, axe-core); CHROMIUM names the browser.
// Exit code 1 and a line per complaint when something is amiss.
import { createRequire } from "node:module";
import { mkdirSync, readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { basename, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [modules, screenshots, ...pages] = process.argv.slice(2);
const require = createRequire(join(resolve(modules), "node_modules", "x.js"));
const { chromium } = require("playwright-core");
const axe = require("axe-core").source;
mkdirSync(screenshots, { recursive: true });

const FIRST_PAINT_MS_MAX = 1000;
const FRAME_MS_MAX = 50;
const BYTES_MAX = 15e6;

let checked = 0;
const complaints = [];
function expect(page, what, holds, found = "") {
  checked += 1;
  if (!holds) complaints.push(`${basename(page)}: ${what}${found === "" ? "" : `: ${found}`}`);
}

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox"],
});

// A page on which everything that should not happen is written down.
async function open(path, options = {}, hash = "") {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const isServed = path.startsWith("http:");
  const url = isServed ? path : pathToFileURL(resolve(path)).href;
  const own = isServed ? new URL(url).origin : url;
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) expect(path, "console", false, message.text());
  });
  page.on("pageerror", (error) => expect(path, "script", false, error.message));
  page.on("request", (request) => {
    if (!request.url().startsWith(own)) expect(path, "asks for something outside itself", false, request.url());
  });
  await page.goto(url + hash);
  if (await page.locator("#index").count()) await page.waitForSelector("html[data-ready]", { timeout: 60000 });
  return page;
}

// What a page with one line takes here and now: other work on the machine is not the page's fault.
async function control() {
  const page = await browser.newPage();
  await page.goto("data:text/html,<p>x");
  await page.waitForFunction(() => performance.getEntriesByName("first-contentful-paint").length > 0);
  const found = await page.evaluate(async () => {
    const times = [];
    let before = await new Promise(requestAnimationFrame);
    for (let step = 0; step < 20; step++) {
      const now = await new Promise(requestAnimationFrame);
      times.push(now - before);
      before = now;
    }
    const paint = performance.getEntriesByName("first-contentful-paint")[0].startTime;
    return { paint, frame: times.sort((a, b) => a - b)[10] };
  });
  await page.close();
  return found;
}

const count = async (page) => Number((await page.textContent("#count")).split(" of ")[0].replaceAll(",", ""));

async function look(path) {
  const bytes = statSync(path).size;
  expect(path, `is at most ${BYTES_MAX} bytes`, bytes <= BYTES_MAX, bytes);
  const page = await open(path);
  const paint = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime);
  const { paint: least } = await control();
  const paintMax = Math.max(FIRST_PAINT_MS_MAX, 10 * least);
  expect(path, `first paint within ${paintMax.toFixed(0)} ms`, paint <= paintMax, paint);
  const ready = await page.evaluate(() => performance.now());
  console.log(`${basename(path)}: ${(bytes / 1e6).toFixed(2)} MB, first paint ${paint.toFixed(0)} ms, ready within ${ready.toFixed(0)} ms`);
  for (const link of await page.locator("nav a").all()) {
    const target = (await link.getAttribute("href")).slice(1);
    expect(path, `section ${target} is there`, (await page.locator(`[id="${target}"]`).count()) === 1);
  }
  const missingTables = await page.evaluate(() => [...document.querySelectorAll("figure")].filter((f) => !f.querySelector("table")).length);
  expect(path, "every plot has its numbers", missingTables === 0, missingTables);
  if (await page.locator("#index").count()) await browse(path, page);
  expect(path, "no text was taken for a script", await page.evaluate(() => window.hacked === undefined));
  await page.context().close();
}

async function browse(path, page) {
  const all = await count(page);
  expect(path, "lists candidates", all > 0, all);
  expect(path, "a part of the list is drawn", (await page.locator("#list .row").count()) < 120);

  // Filters.
  if (await page.locator("#list .row .wrong").count()) {
    await page.selectOption("#right", "false");
    await page.waitForFunction((n) => !document.querySelector("#count").textContent.startsWith(n), all.toLocaleString("en"));
    const wrong = await count(page);
    const marks = await page.locator("#list .row > span:last-child").allTextContents();
    expect(path, "the filter for wrong ones shows wrong ones", wrong > 0 && wrong < all && marks.every((mark) => mark === "✗"), marks.join(""));
    await page.selectOption("#right", "");
  }
  const rules = await page.locator("#rule option").count();
  if (rules > 1) {
    await page.selectOption("#rule", "0");
    await page.waitForFunction((n) => !document.querySelector("#count").textContent.startsWith(n), all.toLocaleString("en"));
    expect(path, "a rule chooses at most one of each problem", (await count(page)) <= all);
    await page.selectOption("#rule", "");
  }
  await page.fill("#words", "no such candidate anywhere");
  await page.waitForFunction(() => document.querySelector("#count").textContent.startsWith("0 of"));
  await page.fill("#words", "");
  await page.waitForFunction((n) => document.querySelector("#count").textContent.startsWith(n), all.toLocaleString("en"));
  await page.fill("#words", "return");
  await page.check("#deep");
  await page.waitForFunction(() => !document.querySelector("#count").textContent.startsWith("0 of"), null, { timeout: 60000 });
  await page.uncheck("#deep");
  await page.fill("#words", "");
  await page.waitForFunction((n) => document.querySelector("#count").textContent.startsWith(n), all.toLocaleString("en"));

  // The keyboard.
  await page.focus("#list");
  await page.keyboard.press("End");
  const last = page.locator("#list .row[aria-selected=true]");
  expect(path, "End goes to the last one", (await last.getAttribute("aria-posinset")) === String(all));
  await page.keyboard.press("ArrowUp");
  expect(path, "ArrowUp goes up", (await last.getAttribute("aria-posinset")) === String(all - 1));
  const hash = await page.evaluate(() => location.hash);
  await page.waitForTimeout(300);
  const heading = await page.textContent("#detail h3");

  // A link to what was just selected, in a fresh page.
  const linked = await open(path, {}, hash);
  await linked.waitForSelector("#detail h4");
  expect(path, "a link opens its program", (await linked.textContent("#detail h3")) === heading, hash);
  expect(path, "a link selects its row", (await linked.locator("#list .row[aria-selected=true]").count()) === 1, hash);
  expect(path, "a program is shown with colours", (await linked.locator("#detail .code code span").count()) > 0 || (await linked.locator("#detail .wrong").count()) > 0);
  await linked.context().close();

  // Scrolling from one end to the other, a screen at a time.
  const frames = await page.evaluate(async () => {
    const list = document.querySelector("#list");
    list.scrollTop = 0;
    const times = [];
    let before = await new Promise(requestAnimationFrame);
    for (let step = 0; step < 60; step++) {
      list.scrollTop += list.scrollHeight / 60;
      const now = await new Promise(requestAnimationFrame);
      times.push(now - before);
      before = now;
    }
    return times.sort((a, b) => a - b);
  });
  // The median, because a busy machine drops frames that are none of the page's.
  const [usual, slow] = [frames[30], frames[57]];
  console.log(`  frames while scrolling: median ${usual.toFixed(1)} ms, 95 % within ${slow.toFixed(1)} ms`);
  const { frame } = await control();
  const frameMax = Math.max(FRAME_MS_MAX, 5 * frame);
  expect(path, `a frame takes ${frameMax.toFixed(0)} ms`, usual <= frameMax, usual);
  expect(path, "the list stays short", (await page.locator("#list .row").count()) < 120);
}

async function accessible(path, colorScheme) {
  // axe is put into the page, which the page's own policy would not let anybody do.
  const page = await open(path, { bypassCSP: true, colorScheme });
  await page.evaluate(() => document.querySelectorAll("details").forEach((d) => { d.open = true; }));
  await axeSays(path, page, colorScheme);
  await page.context().close();
}

async function axeSays(path, page, state) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  for (const { id, impact, nodes } of violations) {
    const serious = impact === "serious" || impact === "critical";
    const where = `${id} (${impact}), ${nodes.length} times: ${nodes[0].html.slice(0, 200)}`;
    if (serious) expect(path, `axe, ${state}`, false, where);
    else console.log(`  axe, ${state}, not serious: ${where}`);
  }
  checked += 1;
}

async function shoot(path) {
  const name = basename(path, ".html");
  const to = (kind) => join(screenshots, `${name}-${kind}.png`);
  for (const colorScheme of ["light", "dark"]) {
    const page = await open(path, { colorScheme });
    await page.screenshot({ path: to(colorScheme), fullPage: true });
    await page.context().close();
  }
  const narrow = await open(path, { viewport: { width: 390, height: 844 } });
  await narrow.screenshot({ path: to("narrow"), fullPage: true });
  const wide = await narrow.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  expect(path, "nothing is wider than a narrow screen", wide <= 0, wide);
  await narrow.context().close();
  const print = await open(path, { colorScheme: "dark", viewport: { width: 794, height: 1123 } });
  await print.emulateMedia({ media: "print" });
  await print.screenshot({ path: to("print"), fullPage: true });
  await print.pdf({ path: join(screenshots, `${name}.pdf`), format: "A4" });
  await print.context().close();
}

// The page that ranks, with a server that answers as /v1/reward does.
async function rank(path) {
  const asked = [];
  const server = createServer((request, response) => {
    if (request.url !== "/v1/reward") return response.end(readFileSync(path));
    let body = "";
    request.on("data", (part) => { body += part; });
    request.on("end", () => {
      const { items } = JSON.parse(body);
      asked.push(items);
      const results = items.map(({ id, response }) => ({ id, raw: response.length - 9.5, reward: 0.5, valid: true, status: "ok" }));
      results.push({ id: "<img src=x onerror=alert(1)>", raw: null, reward: 0, valid: false, status: "invalid", reason: "</td>" });
      response.end(JSON.stringify({ results }));
    });
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const page = await browser.newPage();
  page.on("console", (message) => expect(path, "console", false, message.text()));
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  await page.fill("#problem", "Print 1.");
  await page.fill("#program-1", "print(1)");
  await page.click("#add");
  await page.fill("#program-3", "print(1)  # </script>");
  await page.click("button[type=submit]");
  await page.waitForSelector("#answer table");
  const names = await page.locator("#answer tbody th").allTextContents();
  expect(path, "programs are ranked by score", names.join() === "Program 3,Program 1,<img src=x onerror=alert(1)>", names.join());
  expect(path, "what is empty is not asked about", asked.length === 1 && asked[0].length === 2);
  await page.screenshot({ path: join(screenshots, "rank.png"), fullPage: true });
  server.close();
  await page.close();
}

// Which element has the focus, in words.
const focused = (page) => page.evaluate(() => document.activeElement.id || document.activeElement.textContent.trim());

// Presses Tab until something has the focus, as somebody without a mouse does.
async function tabTo(path, page, what) {
  for (let presses = 0; presses < 20; presses++) {
    if ((await focused(page)) === what) return;
    await page.keyboard.press("Tab");
  }
  expect(path, `Tab leads to ${what}`, false, await focused(page));
}

// What a server shows: a list of runs, a finished one, a training that was interrupted, and the
// page that ranks, which is used with the keyboard alone.
async function served(address) {
  const index = `${address}/ui`;
  const page = await open(index);
  const runs = await page.locator("tbody th a").allTextContents();
  expect(index, "lists the runs", runs.join() === "lab,nothing,policy", runs.join());
  const row = await page.locator("tbody tr", { hasText: "train policy" }).textContent();
  expect(index, "says how far a training is", /live, log written \d+\s(s|min) ago/.test(row) && /step \d+ of \d+: loss \d+\.\d/.test(row), row);
  await tabTo(index, page, "lab");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/ui/runs/lab");
  await page.waitForSelector("html[data-ready]");
  expect(index, "a run is shown", (await count(page)) > 0);
  await tabTo(index, page, "All runs");
  await page.keyboard.press("Enter");
  await page.waitForURL(index);
  await page.click("text=policy");
  await page.waitForSelector("#training figure svg");
  expect(index, "a training that goes on says so", (await page.textContent("header")).includes("Not finished: the log is at step"));
  await page.context().close();
  // A folder without a run has a page, too; its status is what the console complains about.
  const empty = await browser.newPage();
  const answer = await empty.goto(`${index}/runs/nothing`);
  expect(index, "a folder without a run says so", answer.status() === 422 && (await empty.textContent("main")).includes("holds no run"));
  await empty.screenshot({ path: join(screenshots, "nothing.png") });
  await empty.close();
  for (const path of [index, `${index}/runs/lab`, `${index}/runs/policy`, `${index}/rank`]) {
    await accessible(path, "light");
    await accessible(path, "dark");
    await shoot(path);
  }
  await paste(`${index}/rank`);
}

async function paste(path) {
  const page = await open(path, { bypassCSP: true });
  const texts = {
    problem: "Read two integers from one line and print their sum.",
    "program-1": "a, b = map(int, input().split())\nprint(a + b)",
    "program-2": "print(",
  };
  for (const [id, text] of Object.entries(texts)) {
    await tabTo(path, page, id);
    await page.keyboard.insertText(text);
  }
  await tabTo(path, page, "Rank");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#answer table");
  const rows = await page.locator("#answer tbody tr").allTextContents();
  expect(path, "the program that parses is first", rows.length === 2 && rows[0].startsWith("Program 1") && rows[1].includes("invalid: syntax: line 1"), rows.join(" | "));
  await page.screenshot({ path: join(screenshots, "ranked.png"), fullPage: true });
  await axeSays(path, page, "with an answer");
  await page.context().close();
}

for (const path of pages) {
  if (path.startsWith("http:")) {
    await served(path);
    continue;
  }
  if (basename(path) === "rank.html") {
    await rank(path);
    await accessible(path, "light");
    await accessible(path, "dark");
    continue;
  }
  await look(path);
  await accessible(path, "light");
  await accessible(path, "dark");
  await shoot(path);
}
await browser.close();
for (const complaint of complaints) console.log(`FAILED ${complaint}`);
console.log(`pages: ${checked - complaints.length} of ${checked} checks hold`);
process.exit(complaints.length ? 1 : 0);
