/**
 * What the tutorial shows of terminals is what the programs of docs/steps/ print, and their Python
 * twins too.
 *
 * @module
 */
import { assertEquals } from "jsr:@std/assert@^1.0.0";
import { Folder } from "../support/folder.ts";
import { testPeer } from "../support/peers.ts";
import { each } from "../support/process.ts";
import { PAGES, programs, readPage, STEPS } from "./pages.ts";
import { play, programsOf, scenesOf, twinOf } from "./scenes.ts";

const scenes = scenesOf(await readPage(PAGES[0]));
const all = [...scenes, ...scenes.filter(({ twin }) => twin).map(twinOf)];
all.sort((a, b) => b.windows.flat().length - a.windows.flat().length); // the longest first

Deno.test("the tutorial shows what each program prints", () => {
  const run = new Set(all.flatMap(programsOf));
  assertEquals([...run].sort(), programs());
});

testPeer("what the tutorial shows is what is printed", ["bash", "python3"], async (t) => {
  await using folder = new Folder("steps");
  // outside the project: a step needs nothing but itself
  const files = programs();
  await Promise.all(files.map((name) => Deno.copyFile(STEPS + name, folder.file(name))));
  await each([...all.entries()], ([n, scene]) =>
    t.step({
      name: `scene ${n + 1}: ${[...new Set(programsOf(scene))].join(", ")}`,
      fn: () => playIn(folder, n, scene),
      // they run side by side
      sanitizeOps: false,
      sanitizeResources: false,
      sanitizeExit: false,
    }).then(() => {}));
});

/** Plays a scene in a folder of its own, since some write files. */
async function playIn(steps: Folder, n: number, scene: typeof all[number]) {
  const folder = `${steps.path}/${n}`;
  await Deno.mkdir(folder);
  for (const name of new Set(programsOf(scene))) {
    await Deno.symlink(`../${name}`, `${folder}/${name}`);
  }
  await play(scene, folder);
}
