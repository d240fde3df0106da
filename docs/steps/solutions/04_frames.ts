/** Puts the length in front of a message: 4 bytes, the most significant first. */
export function frame(message: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4 + message.length);
  new DataView(bytes.buffer).setUint32(0, message.length);
  bytes.set(message, 4);
  return bytes;
}

/** Is fed what reads give, and gives the messages that are complete, without their lengths. */
export class Frames {
  #rest = new Uint8Array();

  feed(bytes: Uint8Array): Uint8Array[] {
    const all = new Uint8Array([...this.#rest, ...bytes]);
    const messages: Uint8Array[] = [];
    let at = 0;
    while (at + 4 <= all.length) {
      const end = at + 4 + new DataView(all.buffer).getUint32(at);
      if (end > all.length) break; // its rest has not come yet
      messages.push(all.slice(at + 4, end));
      at = end;
    }
    this.#rest = all.slice(at);
    return messages;
  }
}
