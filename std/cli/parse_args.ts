import { parseArgs as untyped } from "npm:deno-std@1.4.0/cli/parse_args.js";

/** Option names: what of them takes text, what is a flag, what repeats. */
export interface ParseOptions<
  Flag extends string,
  Text extends string,
  Repeated extends string,
> {
  /** Options that are true or false; false when not given. */
  boolean?: readonly Flag[];
  /** Options that take text. */
  string?: readonly Text[];
  /** Options that may be given again; their values are an array. */
  collect?: readonly Repeated[];
  /** Flags that `--no-NAME` sets to false. */
  negatable?: readonly NoInfer<Flag>[];
  /** Short or other names, by the name they stand for. */
  alias?: Readonly<Record<string, string | readonly string[]>>;
  /** Whether what is behind `--` goes to a list of its own. */
  "--"?: boolean;
  /** Values of options that were not given. */
  default?: Readonly<Partial<Record<NoInfer<Flag | Text>, unknown>>>;
}

/** What {@linkcode parseArgs} returns: options by name, the rest in `_`. */
export type Args<
  Flag extends string,
  Text extends string,
  Repeated extends string,
> =
  & { [Name in Exclude<Flag, Repeated>]: boolean }
  & { [Name in Exclude<Text, Repeated>]?: string }
  & { [Name in Extract<Text, Repeated>]: string[] }
  & {
    /** The arguments that are no options. */
    _: (string | number)[];
  };

/** Parses a command line. */
export const parseArgs: <
  const Flag extends string = never,
  const Text extends string = never,
  const Repeated extends string = never,
>(
  args: string[],
  options?: ParseOptions<Flag, Text, Repeated>,
) => Args<Flag, Text, Repeated> = untyped;
