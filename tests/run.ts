/**
 * `deno task test`: runs `deno test` for all tests, or for what its arguments
 * name; says before how long that takes, and after it what was left out.
 *
 * @module
 */
import { SHARED } from "./support/certificates.ts";
import { Folder } from "./support/folder.ts";
import { find, missingPackages } from "./support/peers.ts";
import { ROOT } from "./support/process.ts";

/** So many files at a time: those that wait for time limits leave a core to the others. */
const JOBS = 3 * navigator.hardwareConcurrency;

/** All tests; first those of server.ts, which wait much, each with two of fetch.ts, which work. */
function allTests(): string[] {
  const [waiting, working] = ["tests/server", "tests/fetch"].map((folder) =>
    [...Deno.readDirSync(ROOT + folder)].map(({ name }) => `${folder}/${name}`)
  ) as [string[], string[]];
  return [...waiting.flatMap((file) => [file, ...working.splice(0, 2)]), "tests/"];
}

/** A test or a step of it, as the report of `deno test` has it. */
interface Case {
  name: string;
  result: "passed" | "failed" | "skipped";
}

/** Reads the report of `deno test --junit-path`. */
function parseReport(xml: string): Case[] {
  const cases = xml.matchAll(/<testcase name="([^"]*)"[^>]*?(?:\/>|>(.*?)<\/testcase>)/gs);
  return [...cases].map(([, name = "", content = ""]) => ({
    name: name.replaceAll("&quot;", '"').replaceAll("&apos;", "'").replaceAll("&lt;", "<")
      .replaceAll("&gt;", ">").replaceAll("&amp;", "&"),
    result: /<(failure|error)\b/.test(content)
      ? "failed"
      : /<skipped\b/.test(content)
      ? "skipped"
      : "passed",
  }));
}

/**
 * PATH with a folder in front that has the system's python3: what else is called so may be a script,
 * or load packages first, and take five times as long to start.
 */
async function pathWithPython(folder: string): Promise<string> {
  const path = Deno.env.get("PATH") ?? "", python = "/usr/bin/python3";
  if (!find(python)) return path;
  await Deno.symlink(python, `${folder}/python3`);
  return `${folder}:${path}`;
}

/** Runs `deno test` and gives its exit code and what became of each test. */
async function runTests(args: string[]): Promise<{ code: number; cases: Case[] }> {
  await using shared = new Folder("run");
  const report = shared.file("report.xml");
  // `deno task check` looks at the types
  const options = ["--allow-all", "--no-check", "--parallel", `--junit-path=${report}`];
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "--no-prompt", ...options, ...args],
    cwd: ROOT,
    env: {
      DENO_JOBS: String(JOBS),
      PATH: await pathWithPython(shared.path),
      [SHARED]: shared.path,
    },
  }).spawn().status;
  const xml = await Deno.readTextFile(report);
  return { code, cases: parseReport(xml) };
}

/** Says which tests were left out, and what to install for them. */
function sayLeftOut(skipped: Case[]) {
  for (const { name } of skipped) console.log(`left out: ${name}`);
  const packages = missingPackages();
  if (skipped.length && packages.length) {
    console.log(`for these: sudo apt-get install ${packages.join(" ")}`);
  }
}

if (import.meta.main) {
  if (!Deno.args.length) console.log("All tests: a minute to a minute and a half on two cores.");
  const { code, cases } = await runTests(Deno.args.length ? Deno.args : allTests());
  const [passed = [], failed = [], skipped = []] = ["passed", "failed", "skipped"]
    .map((result) => cases.filter((one) => one.result === result));
  sayLeftOut(skipped);
  console.log(
    `${passed.length} passed, ${failed.length} failed` +
      (skipped.length ? `, ${skipped.length} skipped` : ""),
  );
  Deno.exit(code || Number(passed.length === 0));
}
