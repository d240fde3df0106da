/**
 * Measures the three scripts beside what a user would pick instead.
 *
 * ```sh
 * deno task bench
 * deno task bench --quick --only server
 * ```
 *
 * @module
 */
import { statfs } from "node:fs/promises";
import { EXIT, parseOptions, report, TrioError } from "../mod_old.ts";
import { draw } from "./chart.ts";
import { benchClient } from "./client.ts";
import { benchFetch, benchStart } from "./fetch.ts";
import { type Bench, output, ROOT, type Section, Server } from "./measure.ts";
import { benchServer } from "./server.ts";
import * as show from "./show.ts";

const HELP = `Usage: deno task bench [OPTIONS]

Measures fetch.ts, server.ts and client.ts beside curl, wget, aria2c, Node
and Python in one interleaved run, and prints tables. A full run writes
docs/benchmarks.md and its charts. It needs cc and, for fetch, nginx and
openssl; other programs are left out if they are not here, and named.
Exit code 1: bytes were wrong, or a command failed.

      --quick         a minute: 64 MiB, few rounds; good for a look only
      --only PART     fetch, server or client; repeatable
      --write         write docs/benchmarks.md even so
  -h, --help
`;

const PARTS: Record<
  string,
  ((bench: Bench) => Promise<Section | undefined>)[]
> = {
  fetch: [benchFetch, benchStart],
  server: [benchServer],
  client: [benchClient],
};

async function main(args: string[]): Promise<number> {
  const { only, quick, write, help } = parseOptions(
    args,
    { only: "fetch, server or client" },
    ["quick", "write", "help"],
    { h: "help" },
  );
  if (help) {
    console.log(HELP.trimEnd());
    return EXIT.ok;
  }
  const unknown = only.find((part) => !Object.hasOwn(PARTS, part));
  if (unknown) {
    throw new TrioError(
      EXIT.usage,
      `--only takes fetch, server or client, not ${unknown}`,
    );
  }
  const { bench, sections } = await measureParts(
    only.length ? only : Object.keys(PARTS),
    quick,
  );
  const targets = sections.flatMap((section) => section.targets);
  if (targets.length) console.log(`\n${show.markdown(show.targetTable(targets))}`);
  if (bench.missing.size) {
    console.log(`\nNot here: ${[...bench.missing].join(", ")}`);
  }
  for (const failure of bench.failures) console.error(`bench: ${failure}`);
  if (write || !(quick || only.length)) await save(bench, sections);
  return bench.failures.length ? EXIT.unexpected : EXIT.ok;
}

/** Runs the parts and prints their tables. */
async function measureParts(parts: string[], quick: boolean) {
  const folder = await Deno.makeTempDir({ dir: await place(quick) });
  const bench: Bench = {
    quick,
    folder,
    programs: new Map([["deno", Deno.execPath()]]),
    missing: new Set(),
    failures: [],
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => {
      Server.endAll();
      Deno.removeSync(folder, { recursive: true }); // it may be gigabytes of memory
      Deno.exit(EXIT.interrupted);
    });
  }
  const sections: Section[] = [];
  try {
    for (const part of parts.flatMap((part) => PARTS[part]!)) {
      const section = await part(bench);
      if (!section) continue;
      sections.push(section);
      for (const table of section.tables) {
        console.log(`\n${table.title}\n\n${show.markdown(table)}`);
      }
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  return { bench, sections };
}

/** A folder with room for the files, in memory if there is one. */
async function place(quick: boolean): Promise<string> {
  const memory = "/dev/shm";
  const { bavail, bsize } = await statfs(memory)
    .catch(() => ({ bavail: 0, bsize: 0 }));
  const needed = (quick ? 1 : 4) * 2 ** 30;
  return bavail * bsize >= needed ? memory : Deno.env.get("TMPDIR") ?? "/tmp";
}

/** Writes docs/benchmarks.md and the charts. */
async function save(bench: Bench, sections: Section[]) {
  const docs = `${ROOT}docs/`;
  const page = `${docs}benchmarks.md`;
  await Deno.writeTextFile(page, await makePage(bench, sections));
  const charts = sections.map(({ chart }) => `${docs}${chart.file}`);
  for (const [i, { chart }] of sections.entries()) {
    await Deno.writeTextFile(charts[i]!, draw(chart));
  }
  await output(Deno.execPath(), ["fmt", "--quiet", page, ...charts]);
  console.log("\nWrote docs/benchmarks.md");
}

async function makePage(bench: Bench, sections: Section[]): Promise<string> {
  const targets = show.targetTable(
    sections.flatMap((section) => section.targets),
  );
  const pages = sections.map(({ title, notes, tables, chart }) => [
    `## ${title}`,
    ...notes,
    `![${chart.title}](${chart.file})`,
    ...tables.flatMap((table) => [
      `### ${table.title}`,
      show.markdown(table),
      ...table.commands
        ? [
          "<details><summary>Commands</summary>",
          "```sh\n" + table.commands.join("\n") + "\n```",
          "</details>",
        ]
        : [],
    ]),
  ]);
  const text = [
    "# Benchmarks",
    "Made by `deno task bench`: each script beside what a user would pick " +
    "instead, run in turn (A B C A B C …) after a round that does not count. " +
    "Shown are medians, the least and the greatest; ratios are of medians; " +
    "CPU is user and system time of all threads; memory is the most that was " +
    "resident at once. The bytes are compared after each run.",
    `## Machine\n\n${(await machine(bench)).map((line) => `- ${line}`).join("\n")}`,
    `## Targets\n\n${show.markdown(targets)}`,
    ...pages.flat(),
  ].join("\n\n") + "\n";
  return names(bench).reduce(
    (text, [path, name]) => text.replaceAll(path, name),
    text,
  );
}

/** What is shown instead of this machine's paths. */
function names({ folder, programs }: Bench): [string, string][] {
  return [
    [folder, "$TMP"],
    [ROOT, ""],
    ...[...programs].map(([name, path]): [string, string] => [path, name]),
  ];
}

/** The machine and the versions of the programs, a line each. */
async function machine(
  { folder, programs, missing }: Bench,
): Promise<string[]> {
  const info = await Deno.readTextFile("/proc/cpuinfo");
  const lines = [
    `${info.match(/model name\s*: (.*)/)?.[1] ?? Deno.build.arch}, ` +
    `${navigator.hardwareConcurrency} cores, ` +
    `${show.gibibytes(Deno.systemMemoryInfo().total)} of memory`,
    `Linux ${Deno.osRelease()}, files in ${show.place(folder)}`,
  ];
  for (const [name, path] of programs) {
    const { stdout, stderr } = await new Deno.Command(path, {
      args: [
        name === "nginx" ? "-v" : name === "openssl" ? "version" : "--version",
      ],
    }).output();
    const said = new TextDecoder().decode(stdout.length ? stdout : stderr);
    lines.push(`${name}: ${said.match(/\d+\.[\w.]+/)?.[0]}`);
  }
  if (missing.size) {
    lines.push(`not here, so left out: ${[...missing].join(", ")}`);
  }
  return lines;
}

if (import.meta.main) {
  Deno.exit(
    await main(Deno.args).catch((error) => report("bench", error, () => [])),
  );
}
