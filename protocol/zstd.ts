/**
 * Where a zstd frame ends (RFC 8878 section 3.1): the runtime's decoder takes a frame that is cut
 * short for a whole one. Only sizes are read here.
 *
 * @module
 */

/** What comes next: so many bytes to be read, or to be skipped. */
type Step = { read: number } | { skip: number };

const MAGIC = 0xfd2fb528;
/** The first of 16 numbers that begin a frame without content (section 3.1.2). */
const SKIPPABLE_MAGIC = 0x184d2a50;

function number(bytes: Uint8Array): number {
  return bytes.reduceRight((sum, byte) => sum * 256 + byte, 0);
}

/**
 * Walks over one frame: the magic number, the header, blocks of 3 bytes and their data, a checksum.
 *
 * @throws {Error} where that is none.
 */
function* walkFrame(): Generator<Step, void, Uint8Array> {
  const magic = number(yield { read: 4 });
  if (magic - magic % 16 === SKIPPABLE_MAGIC) {
    yield { skip: number(yield { read: 4 }) };
    return;
  }
  if (magic !== MAGIC) throw new Error("no frame begins there");
  const descriptor = number(yield { read: 1 });
  const single = descriptor >> 5 & 1, hasChecksum = descriptor >> 2 & 1;
  const idSize = [0, 1, 2, 4][descriptor & 3]!;
  const contentSize = [single, 2, 4, 8][descriptor >> 6]!;
  yield { skip: (single ? 0 : 1) + idSize + contentSize };
  for (let isLast = false; !isLast;) {
    const block = number(yield { read: 3 }), type = block >> 1 & 3;
    isLast = (block & 1) === 1;
    yield { skip: type === 1 ? 1 : block >> 3 }; // a byte that is repeated has no more
  }
  if (hasChecksum) yield { skip: 4 };
}

/**
 * Follows a frame that comes in pieces.
 *
 * @example
 * ```ts
 * import { assertEquals } from "jsr:@std/assert@^1.0.0";
 *
 * const frame = new ZstdFrame(); // of no content: one raw block, the last one, of no bytes
 * const bytes = [0x28, 0xb5, 0x2f, 0xfd, 0x20, 0x00, 0x01, 0x00, 0x00];
 * assertEquals([frame.take(Uint8Array.from(bytes)), frame.isComplete], [9, true]);
 * ```
 */
export class ZstdFrame {
  /** Whether its end has come. */
  isComplete = false;
  readonly #walk = walkFrame();
  #step: Step | undefined;
  #read: number[] = [];

  /**
   * Takes the next bytes; returns how many of them are the frame's.
   *
   * @throws {Error} if it is no frame.
   */
  take(bytes: Uint8Array): number {
    this.#step ??= this.#walk.next(new Uint8Array()).value as Step;
    let at = 0;
    while (!this.isComplete) {
      if ("skip" in this.#step) {
        const n = Math.min(this.#step.skip, bytes.length - at);
        at += n;
        this.#step = { skip: this.#step.skip - n };
        if (this.#step.skip > 0) break;
      } else {
        while (this.#read.length < this.#step.read && at < bytes.length) {
          this.#read.push(bytes[at++]!);
        }
        if (this.#read.length < this.#step.read) break;
      }
      const { done, value } = this.#walk.next(Uint8Array.from(this.#read.splice(0)));
      if (done) this.isComplete = true;
      else this.#step = value;
    }
    return at;
  }
}
