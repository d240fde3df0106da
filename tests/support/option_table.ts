/**
 * The option tables of README.md, from what `--help` prints, which comes from the table of options
 * of each script. `deno run -A tests/support/option_table.ts` writes them.
 *
 * @module
 */
import { ROOT, runScript } from "./process.ts";

/** The scripts with options. */
const SCRIPTS = ["fetch.ts", "server.ts", "client.ts"] as const;

/** An option as `--help` shows it. */
export interface Helped {
  /** The heading above it. */
  group: string;
  /** Its letter with the dash. */
  letter?: string;
  /** Its name with the dashes. */
  name: string;
  /** What it takes. */
  takes?: string;
  /** What it does. */
  text: string;
}

/** The options in the help of a script. */
export async function helpedOptions(script: typeof SCRIPTS[number]): Promise<Helped[]> {
  const { stdout } = await runScript(script, ["--help"]);
  const options: Helped[] = [];
  let group = "";
  for (const line of stdout.split("\n")) {
    const option = /^ {2}(?:(-\w),| {3}) (--[\w-]+)(?: (\S+))? {2,}(.*)$/.exec(line);
    if (!option) {
      group = line;
      continue;
    }
    const [, letter, name, takes, text] = option;
    options.push({
      group,
      ...letter && { letter },
      name: name!,
      ...takes && { takes },
      text: text!,
    });
  }
  return options;
}

/** The table of README.md for the options of a script. */
function tableOf(options: Helped[]): string {
  const rows = options.map(({ group, letter, name, takes, text }, at) => {
    const option = `\`${[letter && `${letter},`, name, takes].filter(Boolean).join(" ")}\``;
    const heading = group !== options[at - 1]?.group && group ? `**${group}**` : "";
    return [heading, option, text.replaceAll("|", "\\|")];
  });
  const all = [["", "option", "meaning (default)"], ...rows];
  if (rows.every(([heading]) => heading === "")) { for (const row of all) row.shift(); }
  const [head = [], ...others] = all;
  const line = (cells: string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...others.map(line)].join("\n");
}

/** A page with the tables between its marks as they have to be. */
export async function withOptionTables(page: string): Promise<string> {
  for (const script of SCRIPTS) {
    const [begin, end] = [`<!-- options: ${script} -->\n`, "<!-- /options -->"];
    const from = page.indexOf(begin) + begin.length, to = page.indexOf(end, from);
    if (from < begin.length || to < 0) throw new Error(`no marks for the options of ${script}`);
    page = `${page.slice(0, from)}\n${tableOf(await helpedOptions(script))}\n\n${page.slice(to)}`;
  }
  return await formatted(page);
}

async function formatted(page: string): Promise<string> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--ext=md", "-"],
    cwd: ROOT,
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const [{ stdout }] = await Promise.all([
    child.output(),
    new Blob([page]).stream().pipeTo(child.stdin),
  ]);
  return new TextDecoder().decode(stdout);
}

if (import.meta.main) {
  const readme = `${ROOT}README.md`;
  await Deno.writeTextFile(readme, await withOptionTables(await Deno.readTextFile(readme)));
}
