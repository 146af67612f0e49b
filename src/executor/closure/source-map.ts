import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** Four numbers a segment: generated column, source, original line, original column; all from zero. */
type Line = readonly (readonly [number, number, number, number])[];

/** From zero, both. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/**
 * A source map (version 3) as lines of segments. Needed to say where a function was written, and to cut out the part of a map
 * that belongs to one function, so that an error thrown by its copy on an executor names the line of the original file.
 */
export class SourceMap {
  constructor(
    /** Absolute URLs. */
    readonly sources: readonly string[],
    readonly lines: readonly Line[],
  ) {}

  /** @param url the script's `sourceMappingURL`; `base` the script's own URL. Undefined if it cannot be read. */
  static read(url: string, base: string): SourceMap | undefined {
    try {
      const { text, from } = load(url, base);
      const { sources, sourceRoot = '', mappings } = JSON.parse(text);
      const absolute = sources.map((source: string) => resolveSource(sourceRoot + (source ?? ''), from));
      return new SourceMap(absolute, decode(mappings));
    } catch {
      return undefined;
    }
  }

  /** Where the generated position was written. */
  original(line: number, column: number): { source: string; line: number; column: number } | undefined {
    const segments = this.lines[line] ?? [];
    const segment = segments[lastAtOrBefore(segments, column)] ?? segments[0];
    if (segment === undefined) return undefined;
    return { source: this.sources[segment[1]]!, line: segment[2], column: segment[3] };
  }

  /** The map, as a `data:` URL, of generated text from one position to another, moved to line `at`, column 0. */
  cut(from: Position, to: Position, at: number): string {
    const used: string[] = [];
    const out: Line[] = Array.from({ length: at }, () => []);
    for (let line = from.line; line <= to.line; line++) {
      const segments = this.lines[line] ?? [];
      const shift = line === from.line ? from.column : 0;
      const first = line === from.line ? Math.max(0, lastAtOrBefore(segments, from.column)) : 0;
      const end = line === to.line ? lastAtOrBefore(segments, to.column) + 1 : segments.length;
      out.push(
        segments.slice(first, end).map(([generated, source, originalLine, originalColumn]) => {
          const name = this.sources[source]!;
          if (!used.includes(name)) used.push(name);
          return [Math.max(0, generated - shift), used.indexOf(name), originalLine, originalColumn] as const;
        }),
      );
    }
    const json = JSON.stringify({ version: 3, sources: used, names: [], mappings: encode(out) });
    return `data:application/json;base64,${Buffer.from(json).toString('base64')}`;
  }
}

function load(url: string, base: string): { text: string; from: string } {
  const data = /^data:application\/json[^,]*?(;base64)?,/.exec(url);
  if (data) {
    const body = url.slice(data[0].length);
    return { text: data[1] ? Buffer.from(body, 'base64').toString() : decodeURIComponent(body), from: base };
  }
  const from = new URL(url, base).href;
  return { text: readFileSync(fileURLToPath(from), 'utf8'), from };
}

function resolveSource(source: string, base: string): string {
  if (/^[a-z][a-z\d+.-]+:/i.test(source)) return source;
  // vite names its sources from the root of the project, of which only the script's own address is a witness.
  if (source.startsWith('/')) return base.endsWith(source) ? base : pathToFileURL(source).href;
  return base.startsWith('file:') ? new URL(source, base).href : pathToFileURL(`${dirname(base)}/${source}`).href;
}

function lastAtOrBefore(segments: Line, column: number): number {
  let low = 0;
  let high = segments.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (segments[middle]![0] <= column) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const VALUE = new Map([...DIGITS].map((digit, value) => [digit.charCodeAt(0), value]));

function decode(mappings: string): Line[] {
  const at: [number, number, number] = [0, 0, 0];
  return mappings.split(';').map((line) => {
    let column = 0;
    const segments: [number, number, number, number][] = [];
    for (const field of line.split(',')) {
      const numbers = decodeNumbers(field);
      column += numbers[0] ?? 0;
      if (numbers.length < 4) continue;
      for (let i = 0; i < 3; i++) at[i]! += numbers[i + 1]!;
      segments.push([column, ...at]);
    }
    return segments;
  });
}

function decodeNumbers(field: string): number[] {
  const numbers: number[] = [];
  let value = 0;
  let shift = 0;
  for (let i = 0; i < field.length; i++) {
    const digit = VALUE.get(field.charCodeAt(i))!;
    value += (digit & 31) << shift;
    shift += 5;
    if (digit & 32) continue;
    numbers.push(value & 1 ? -(value >>> 1) : value >>> 1);
    value = shift = 0;
  }
  return numbers;
}

function encode(lines: readonly Line[]): string {
  let source = 0;
  let line = 0;
  let column = 0;
  return lines
    .map((segments) => {
      let generated = 0;
      return segments
        .map((segment) => {
          const text =
            encodeNumber(segment[0] - generated) +
            encodeNumber(segment[1] - source) +
            encodeNumber(segment[2] - line) +
            encodeNumber(segment[3] - column);
          [generated, source, line, column] = segment;
          return text;
        })
        .join(',');
    })
    .join(';');
}

function encodeNumber(value: number): string {
  let rest = value < 0 ? (-value << 1) | 1 : value << 1;
  let text = '';
  do {
    const digit = rest & 31;
    rest >>>= 5;
    text += DIGITS[rest > 0 ? digit | 32 : digit];
  } while (rest > 0);
  return text;
}
