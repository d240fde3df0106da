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
import {
  anyText,
  EXIT,
  helpText,
  type OptionTable,
  parseOptions,
  runScript,
  usageError,
} from "../mod.ts";
import { benchClient } from "./client_bench.ts";
import { benchConnections } from "./connections_bench.ts";
import { benchFetch } from "./fetch_bench.ts";
import { benchResume, benchSizes } from "./growth_bench.ts";
import { type Bench, fail, Server } from "./programs.ts";
import { markdown, save, type Section, type Table, targetsOf, targetTable } from "./report.ts";
import { benchServer } from "./server_bench.ts";
import { benchStart } from "./start_bench.ts";

const INTRO = `Usage: deno task bench [OPTIONS]

Measures fetch.ts, server.ts and client.ts beside curl, wget, aria2c, Node
and Python in one interleaved run, and prints tables. A full run writes
docs/benchmarks.md and its charts, in 20 minutes or little more. It needs cc
and, to download, nginx and openssl; other programs are left out if they are
not here, and named. What fails is named, too, and the rest goes on.
Exit code 1: bytes were wrong, or a command failed.
`;

const PARTS: Record<string, (bench: Bench) => Promise<Section>> = {
  start: benchStart,
  fetch: benchFetch,
  server: benchServer,
  client: benchClient,
  connections: benchConnections,
  resume: benchResume,
  sizes: benchSizes,
};

const NAMES = Object.keys(PARTS).join(", ");

const OPTIONS = {
  quick: { help: "a minute or two: 64 MiB, few rounds; good for a look only" },
  only: { value: anyText("PART", "a part"), many: true, help: `repeatable: ${NAMES}` },
  write: { help: "write docs/benchmarks.md even so" },
  help: { letter: "h", help: "show this" },
} as const satisfies OptionTable;

async function main(args: string[]): Promise<number> {
  const { only, quick, write, help } = await parseOptions(args, OPTIONS);
  if (help) {
    console.log(helpText(INTRO, OPTIONS, ""));
    return EXIT.ok;
  }
  const unknown = only.find((part) => !Object.hasOwn(PARTS, part));
  if (unknown !== undefined) throw usageError(`--only takes ${NAMES}, not ${unknown}`);
  const { bench, sections } = await measureParts(only.length ? only : Object.keys(PARTS), quick);
  const targets = targetsOf(bench, sections);
  if (targets.length) console.log(`\n${markdown(targetTable(targets))}`);
  if (bench.missing.size) console.log(`\nNot here: ${[...bench.missing].join(", ")}`);
  for (const failure of bench.failures) console.error(`bench: ${failure}`);
  if (write || !(quick || only.length)) await save(bench, sections);
  return bench.failures.length ? EXIT.unexpected : EXIT.ok;
}

/** Runs the parts, each whether or not another failed, and prints their tables. */
async function measureParts(parts: string[], quick: boolean) {
  const folder = await Deno.makeTempDir({ dir: await place(quick) });
  const bench: Bench = {
    quick,
    began: performance.now(),
    load: Deno.loadavg()[0]!,
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
    for (const name of parts) {
      try {
        const section = await PARTS[name]!(bench);
        sections.push(section);
        for (const table of section.tables) console.log(`\n${tableText(table)}`);
      } catch (error) {
        fail(bench, `${name}: ${(error as Error).message}`);
      }
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  return { bench, sections };
}

const tableText = (table: Table) =>
  [table.title, table.finding, markdown(table)].filter(Boolean).join("\n\n");

/** A folder with room for the files, in memory if there is one. */
async function place(quick: boolean): Promise<string> {
  const memory = "/dev/shm";
  const { bavail, bsize } = await statfs(memory)
    .catch(() => ({ bavail: 0, bsize: 0 }));
  const needed = (quick ? 1 : 11) * 2 ** 30; // 4 GiB twice, and 1 GiB twice and compressed
  return bavail * bsize >= needed ? memory : Deno.env.get("TMPDIR") ?? "/tmp";
}

if (import.meta.main) {
  await runScript({ name: "bench", advice: {}, needs: () => [], args: () => [] }, main);
}
