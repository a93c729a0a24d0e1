import { HpackError } from "./hpack-error.ts";

// RFC 7541 Appendix B: the length of each symbol's code in bits, EOS last. The code is canonical: codes of one length
// ascend with their symbols, so the lengths say all.
// prettier-ignore
const CODE_LENGTHS = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
   6, 10, 10, 12, 13,  6,  8, 11, 10, 10,  8, 11,  8,  6,  6,  6,  5,  5,  5,  6,  6,  6,  6,  6,  6,  6,  7,  8, 15,  6, 12, 10,
  13,  6,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  8,  7,  8, 13, 19, 13, 14,  6,
  15,  5,  6,  5,  6,  5,  6,  6,  6,  5,  7,  7,  6,  6,  6,  5,  6,  7,  6,  5,  5,  6,  7,  7,  7,  7,  7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
  30,
] as const;
const EOS = 256;

const NODE_SIZE = 256;
const LENGTH_BITS = 4;
const LENGTH_MASK = (1 << LENGTH_BITS) - 1;

// A tree whose branches take 8 bits each: node k is the 256 entries from `k * NODE_SIZE`, node 0 the root. An entry is
// `symbol << LENGTH_BITS | bits` where a code ends within those 8 bits, of which `bits` are its own, else minus the
// offset of the next node.
const TREE = buildTree();

// Text decodes into here and becomes a string in one step; no code is shorter than 5 bits.
const MOST_SYMBOLS_PER_BYTE = 8 / 5;
const SCRATCH = Buffer.allocUnsafeSlow(8192);

/**
 * The text (latin1) of a Huffman-coded string literal at [start, end) (RFC 7541 section 5.2).
 *
 * @throws HpackError for EOS within the text, and for padding that is not 0 to 7 one-bits
 */
export function decodeHuffman(bytes: Uint8Array, start: number, end: number): string {
  const most = (end - start) * MOST_SYMBOLS_PER_BYTE;
  const text = most <= SCRATCH.length ? SCRATCH : Buffer.allocUnsafe(Math.floor(most));
  let length = 0;
  let node = 0;
  // The lowest `count` bits of `bits` are still to be read; what is above them is left over.
  let bits = 0;
  let count = 0;
  for (let i = start; i < end; i++) {
    bits = (bits << 8) | (bytes[i] ?? 0);
    count += 8;
    while (count >= 8) {
      const entry = TREE[node + ((bits >>> (count - 8)) & 0xff)] ?? 0;
      if (entry < 0) {
        node = -entry;
        count -= 8;
      } else {
        text[length++] = entry >>> LENGTH_BITS;
        count -= entry & LENGTH_MASK;
        node = 0;
      }
    }
  }
  // The last codes may be shorter than the 8 bits that a look-up takes: those are filled with ones, as padding is.
  while (count > 0) {
    const entry = TREE[node + (((bits << (8 - count)) | (0xff >>> count)) & 0xff)] ?? 0;
    const own = entry & LENGTH_MASK;
    if (entry < 0 || own > count) break;
    text[length++] = entry >>> LENGTH_BITS;
    count -= own;
    node = 0;
  }
  const padding = (1 << count) - 1;
  // Within a node below the root at least 8 bits belong to no symbol.
  if (node !== 0 || (bits & padding) !== padding)
    throw new HpackError("huffman-coded text does not end in its padding");
  return text.latin1Slice(0, length);
}

function buildTree(): Int16Array {
  const tree: number[] = new Array<number>(NODE_SIZE).fill(0);
  const addNode = (): number => {
    const offset = tree.length;
    for (let i = 0; i < NODE_SIZE; i++) tree.push(0);
    return offset;
  };
  const symbols = CODE_LENGTHS.map((length, symbol) => ({ length, symbol })).sort(
    (a, b) => a.length - b.length || a.symbol - b.symbol,
  );
  let code = 0;
  let codeLength = 0;
  for (const { length, symbol } of symbols) {
    code *= 2 ** (length - codeLength);
    codeLength = length;
    let node = 0;
    let rest = length;
    for (; rest > 8; rest -= 8) {
      const at = node + ((code >>> (rest - 8)) & 0xff);
      if (tree[at] === 0) tree[at] = -addNode();
      node = -(tree[at] ?? 0);
    }
    const first = node + ((code << (8 - rest)) & 0xff);
    // EOS leads to a node that leads to itself: the text can only end there, within no padding.
    const entry = symbol === EOS ? -addNode() : (symbol << LENGTH_BITS) | rest;
    if (symbol === EOS) tree.fill(entry, -entry, -entry + NODE_SIZE);
    tree.fill(entry, first, first + 2 ** (8 - rest));
    code++;
  }
  return Int16Array.from(tree);
}
