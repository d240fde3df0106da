/**
 * Takes the chunks of HTTP (RFC 9112, section 7.1) out of their frames, fed by reads. No
 * extensions and no trailers.
 */
export class Chunked {
  /** Whether the last chunk, of size 0, and the line behind it have come. */
  done = false;
  #state: "size" | "data" | "line end" | "last line" = "size";
  #line = "";
  #left = 0; // bytes of the chunk that have not come yet

  /** Gives the bytes of the body that are in `bytes`; throws a SyntaxError for what is no chunk. */
  feed(bytes: Uint8Array): Uint8Array {
    const body: number[] = [];
    for (const byte of bytes) {
      if (this.done) break; // what follows belongs to nobody
      if (this.#state === "data") {
        body.push(byte);
        if (--this.#left === 0) this.#state = "line end";
      } else this.#take(String.fromCharCode(byte));
    }
    return new Uint8Array(body);
  }

  #take(character: string) {
    this.#line += character;
    const valid = this.#state === "size" ? /^[0-9a-f]{1,13}(\r\n?)?$/i : /^\r\n?$/;
    if (!valid.test(this.#line)) throw new SyntaxError(`no chunk: ${JSON.stringify(this.#line)}`);
    if (character !== "\n") return;
    if (this.#state === "last line") this.done = true;
    else if (this.#state === "line end") this.#state = "size";
    else {
      this.#left = parseInt(this.#line, 16);
      this.#state = this.#left === 0 ? "last line" : "data";
    }
    this.#line = "";
  }
}
