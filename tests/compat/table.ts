/**
 * Writes docs/compatibility.md from the lists in matrix.ts:
 *
 * ```sh
 * deno run --allow-read --allow-write --allow-run tests/compat/table.ts
 * ```
 *
 * @module
 */
import { PACKAGES } from "../support/peers.ts";
import { ROOT, run } from "../support/process.ts";
import { type Row, SECTIONS } from "./matrix.ts";

/** The file that has the tables. */
export const FILE = `${ROOT}docs/compatibility.md`;

/** A table of peers and exercises; what there is more of goes down. */
function table(rows: readonly Row<string, string>[]): string {
  const peers = rows.map(({ peer }) => peer);
  const exercises = [...new Set(rows.flatMap(({ exercised }) => exercised))];
  const mark = (peer: string, exercise: string) =>
    rows.some((row) => row.peer === peer && row.exercised.includes(exercise)) ? "✓" : "";
  const lines = peers.length > exercises.length
    ? [
      ["", ...exercises],
      ["---", ...exercises.map(() => ":-:")],
      ...peers.map((p) => [p, ...exercises.map((e) => mark(p, e))]),
    ]
    : [
      ["", ...peers],
      ["---", ...peers.map(() => ":-:")],
      ...exercises.map((e) => [e, ...peers.map((p) => mark(p, e))]),
    ];
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** The text of docs/compatibility.md. */
export async function compatibility(): Promise<string> {
  const text = `# Compatibility

What \`deno task test\` does with programs nobody here wrote; the tests and this
page are made from the same lists, in
[tests/compat/matrix.ts](../tests/compat/matrix.ts). A test whose program is not
installed is ignored and says so, with \`REQUIRE_PEERS=1\` it fails. On Debian,
all of them:

\`\`\`sh
sudo apt-get install ${[...new Set(Object.values(PACKAGES))].sort().join(" ")}
\`\`\`

${
    SECTIONS.map(({ title, about, rows }) => `## ${title}\n\n${about}\n\n${table(rows)}\n`).join(
      "\n",
    )
  }`;
  const fmt = ["fmt", "--ext", "md", "-"];
  return (await run(Deno.execPath(), fmt, { stdin: text })).stdout;
}

if (import.meta.main) await Deno.writeTextFile(FILE, await compatibility());
