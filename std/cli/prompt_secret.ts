import { promptSecret as untyped } from "npm:deno-std@1.4.0/cli/prompt_secret.js";

/** Asks on the terminal for a text that is shown masked, or not at all; `null` without a terminal. */
export const promptSecret: (
  message?: string,
  options?: { mask?: string; clear?: boolean },
) => string | null = untyped;
