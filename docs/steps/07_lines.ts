#!/usr/bin/env -S deno run
// Framing: a message ends at a newline, however its bytes were cut on the way.

/** Is fed what reads give, and gives the messages that are complete. */
class Lines {
  #decoder = new TextDecoder();
  #rest = ""; // the beginning of a message whose end has not come yet

  feed(bytes: Uint8Array): string[] {
    const lines = (this.#rest + this.#decoder.decode(bytes, { stream: true })).split("\n");
    this.#rest = lines.pop() ?? "";
    return lines;
  }
}

const bytes = new TextEncoder().encode("Ada\nBob\n小明\n");
const answers = new Map<string, number>();
for (let first = 0; first <= bytes.length; first++) {
  for (let second = first; second <= bytes.length; second++) {
    const lines = new Lines();
    const cut = [bytes.subarray(0, first), bytes.subarray(first, second), bytes.subarray(second)];
    const answer = cut.flatMap((part) => lines.feed(part)).join(" | ");
    answers.set(answer, (answers.get(answer) ?? 0) + 1);
  }
}
for (const [answer, count] of answers) console.log(`cut in ${count} ways: ${answer}`);
