/**
 * Is fed what reads give, and gives the lines that are complete, without their `\n` or `\r\n`.
 *
 * A line may have `limit` bytes; `feed` throws a RangeError as soon as one has more.
 */
export class Lines {
  #limit: number;
  #rest: number[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  feed(bytes: Uint8Array): string[] {
    const lines: string[] = [];
    for (const byte of bytes) {
      if (byte !== 10) {
        const most = this.#limit + (byte === 13 ? 1 : 0); // the CR may belong to the line end
        if (this.#rest.push(byte) > most) throw new RangeError("the line is too long");
        continue;
      }
      if (this.#rest.at(-1) === 13) this.#rest.pop();
      lines.push(new TextDecoder().decode(new Uint8Array(this.#rest)));
      this.#rest = [];
    }
    return lines;
  }
}
