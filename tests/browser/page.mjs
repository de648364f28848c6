// Tries an exported HTML page in a real browser, by keyboard and as a screen reader sees it.
//
//     cargo build
//     npm install --no-save --prefix tests/browser playwright-core     once; downloads no browser
//     node tests/browser/page.mjs [PROGRAM]
//
// PROGRAM is the attn-tui to export with (target/debug/attn-tui). The browser is Chromium: $CHROMIUM, or one
// of the usual names on PATH. Without a browser or playwright-core the script says so and exits with 0.

import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import assert from "node:assert/strict";

const here = dirname(fileURLToPath(import.meta.url));

function skip(why) {
  console.log(`skipped: ${why}`);
  process.exit(0);
}

function browser() {
  const names = [process.env.CHROMIUM, "chromium", "chromium-browser", "google-chrome", "chrome"].filter(Boolean);
  for (const name of names) {
    if (existsSync(name)) return name;
    const found = spawnSync("sh", ["-c", `command -v ${JSON.stringify(name)}`], { encoding: "utf8" });
    if (found.status === 0) return found.stdout.trim();
  }
  return skip("no Chromium; set CHROMIUM to the path of one");
}

function playwright() {
  for (const from of [join(here, "package.json"), join(process.cwd(), "package.json")]) {
    try {
      return createRequire(from)("playwright-core");
    } catch {
      continue;
    }
  }
  return skip("no playwright-core; npm install --no-save --prefix tests/browser playwright-core");
}

const executablePath = browser();
const { chromium } = playwright();
const program = process.argv[2] || join(here, "../../target/debug/attn-tui");
if (!existsSync(program)) throw new Error(`${program} is missing: cargo build`);

// Opens a page; errors of its script and requests for anything else fail the check.
async function open(path) {
  const page = await launched.newPage({ viewport: { width: 1280, height: 900 } });
  page.on("pageerror", error => { throw error; });
  page.on("request", request => assert.ok(request.url().startsWith("file:"), `it asks for ${request.url()}`));
  await page.goto(pathToFileURL(path).href);
  const data = JSON.parse(await page.textContent("#data"));
  return { page, data };
}

const status = page => page.locator("#status").innerText();

// Number of different colours in the canvas of the map.
const colours = page => page.evaluate(() => {
  const canvas = document.getElementById("map");
  const pixels = new Uint32Array(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.buffer);
  return new Set(pixels).size;
});

async function checkShort(path) {
  const { page, data } = await open(path);
  const cross = data.kinds.at(-1), keys = cross.keys.length;
  const weight = (map, i, j) => (cross.maps[map].weights[i * keys + j] / 10000).toFixed(4);
  assert.equal(await page.locator("b", { hasText: "<b>cat</b>" }).count(), 1, "markup of a text is text");
  assert.ok(await colours(page) > 20, "the map is drawn");

  // The cell moves by arrows, and its weight is told.
  await page.locator("#map").focus();
  for (const key of ["ArrowDown", "ArrowDown", "ArrowRight"]) await page.keyboard.press(key);
  assert.ok((await status(page)).startsWith(weight(0, 2, 1)), await status(page));
  assert.equal(await page.getAttribute("#map", "aria-label"), (await page.textContent("#status")));
  await page.keyboard.press("]");
  assert.ok((await status(page)).startsWith(weight(1, 2, 1)), "] goes to the next head");
  await page.keyboard.press("[");
  await page.keyboard.press("}");
  assert.equal(await page.inputValue("#layer"), "1", "} goes to the next layer");
  await page.keyboard.press("{");

  // The views: lines, text, table.
  await page.keyboard.press("v");
  assert.equal(await page.inputValue("#view"), "lines");
  assert.ok(await colours(page) > 8, "the lines are drawn");
  await page.keyboard.press("v");
  const spans = await page.locator("#other p").first().locator("span").evaluateAll(all => all.map(node => node.ariaLabel));
  assert.equal(spans.length, keys);
  assert.equal(spans[1], `${cross.keys[1]} ${Number(weight(0, 2, 1)).toFixed(3)}`);
  const queries = page.locator("#other button");
  assert.equal(await queries.count(), cross.queries.length);
  await queries.nth(3).focus();
  await page.keyboard.press("Enter");
  assert.equal(await queries.nth(3).getAttribute("aria-pressed"), "true");
  assert.ok(await queries.nth(3).evaluate(node => node === document.activeElement), "the focus stays");
  await page.locator("h1").click();
  await page.keyboard.press("v");
  const row = page.getByRole("row").nth(4);
  assert.equal(await row.getByRole("rowheader").innerText(), cross.queries[3]);
  const cells = await row.getByRole("cell").allInnerTexts();
  assert.deepEqual(cells, cross.keys.map((_, j) => Number(weight(0, 3, j)).toFixed(3)));
  await page.keyboard.press("v");
  assert.equal(await page.inputValue("#view"), "map");

  // Everything that can be used has a name, and is reached by Tab.
  const controls = page.locator("button, select, [tabindex='0']");
  const count = await controls.count();
  const reached = new Set();
  await page.evaluate(() => document.activeElement.blur());
  for (let press = 0; press < count + 3; press++) {
    await page.keyboard.press("Tab");
    reached.add(await page.evaluate(() => {
      const all = [...document.querySelectorAll("button, select, [tabindex='0']")];
      return all.indexOf(document.activeElement);
    }));
  }
  reached.delete(-1);
  assert.equal(reached.size, count, "Tab reaches every control");
  const snapshot = await page.locator("body").ariaSnapshot();
  for (const nameless of [/- button$/m, /- combobox$/m, /- img$/m]) assert.doesNotMatch(snapshot, nameless);
  for (const name of ["view", "layer", "head", "colours", "scale"]) assert.match(snapshot, new RegExp(`combobox "${name}"`));

  // A thumbnail opens its head by Enter; kinds are buttons.
  const thumb = page.locator("#thumbs figure").nth(5);
  await thumb.focus();
  await page.keyboard.press("Enter");
  assert.equal(await page.inputValue("#head"), String(cross.maps[5].head));
  await page.getByRole("button", { name: data.kinds[0].title }).press("Enter");
  assert.match(await status(page), new RegExp(data.kinds[0].title));
  const before = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await page.getByRole("button", { name: "light / dark" }).press("Enter");
  assert.notEqual(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), before);
  await page.close();
}

async function checkLong(path) {
  const { page, data } = await open(path);
  const { keys } = data.kinds[0];
  assert.ok(keys.length > 120, `${keys.length} tokens`);
  assert.ok(await colours(page) > 20, "the map is drawn");
  // Labels stand at intervals, as wide apart as their letters are high.
  const labels = await page.evaluate(() => intervals());
  assert.ok(labels.step * labels.side >= 12, `${labels.step} cells of ${labels.side} pixels`);
  await page.selectOption("#view", "table");
  await page.locator("h1").click();
  await page.keyboard.press("ArrowDown");
  assert.ok(await page.getByRole("row").count() > keys.length, "the table has every key");
  await page.close();
}

const folder = mkdtempSync(join(tmpdir(), "page-"));
const launched = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
try {
  const short = join(folder, "short.html"), long = join(folder, "long.html");
  const sentence = "The <b>cat</b> is sleeping because it is very tired.";
  execFileSync(program, ["export", "demo", "-s", sentence, "-o", short]);
  execFileSync(program, ["export", "demo", "-s", "The cat is on the table. ".repeat(24), "--kind", "encoder", "-o", long]);
  await checkShort(short);
  await checkLong(long);
  console.log("the page works in", launched.version());
} finally {
  await launched.close();
  rmSync(folder, { recursive: true });
}
