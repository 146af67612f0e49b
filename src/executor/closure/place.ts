import type { AnyFunction } from './function-type.js';
import type { Inspected } from './inspector.js';
import { type Literal, parseLiteral } from './literal.js';
import { Script } from './script.js';

/** A function's text and place. Depends on the text alone, so it is worked out once for all closures made from it. */
export interface Place {
  readonly literal: Literal;
  readonly script: Script;
  readonly start: number;
  readonly where: string;
  readonly line: number;
  readonly column: number;
  readonly map: string | undefined;
}

const places = new Map<string, Place>();

/** @throws SyntaxError for a function whose text cannot stand on its own. */
export function placeOf(fn: AnyFunction, at: NonNullable<Inspected['location']>): Place {
  const script = Script.of(at.scriptId);
  const text = Function.prototype.toString.call(fn);
  const start = startOf(text, script, script.offset(at.line, at.column));
  const key = `${at.scriptId}:${start}:${text.length}`;
  let place = places.get(key);
  if (place === undefined) {
    const { line, column } = script.position(start);
    place = {
      literal: parseLiteral(text),
      script,
      start,
      where: script.where(start),
      line,
      column,
      map: script.map?.cut({ line, column }, script.position(start + text.length), 1),
    };
    places.set(key, place);
  }
  return place;
}

/** Where a function's text begins in its script, given a place inside it, which is what V8 tells. */
function startOf(text: string, script: Script, inside: number): number {
  const start = script.source.lastIndexOf(text, inside);
  return start >= 0 && start + text.length >= inside ? start : inside;
}
