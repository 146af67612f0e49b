import { readdirSync, readFileSync } from 'node:fs';

/** A public method of a class, with the first sentence of its documentation. */
export interface Member {
  readonly name: string;
  readonly about: string;
}

const FOLDERS = ['', 'operators/', 'tables/'].map((folder) => new URL(`../../src/rdd/${folder}`, import.meta.url));

/** Names on the prototypes of a class: with those that only TypeScript hides. */
export function namesOf(type: { prototype: object }): Set<string> {
  const names = new Set<string>();
  for (let at = type.prototype; at !== Object.prototype; at = Object.getPrototypeOf(at))
    for (const name of Object.getOwnPropertyNames(at)) if (name !== 'constructor') names.add(name);
  return names;
}

/** The public methods of a class of src/rdd, by name. */
export function publicMembers(type: { prototype: object }): Member[] {
  const sources = FOLDERS.flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
      .map((name) => readFileSync(new URL(name, folder), 'utf8')),
  );
  const hidden = new Set(
    sources.flatMap((text) =>
      [...text.matchAll(/^ {2}(?:protected|private) (?:\w+ )*?(\w+)[<(:]/gm)].map(([, name]) => name),
    ),
  );
  const about = new Map<string, string>();
  for (const text of sources)
    for (const [, comment, name] of text.matchAll(
      /^ {2}\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\n {2}(?:(?:override|async|get) )*(\w+)[<(]/gm,
    ))
      if (!about.has(name!)) about.set(name!, firstSentence(comment!));
  const names = [...namesOf(type)].filter((name) => !hidden.has(name)).sort();
  return names.map((name) => ({ name, about: about.get(name) ?? '' }));
}

function firstSentence(comment: string): string {
  const text = comment
    .replaceAll(/\n\s*\*/g, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim();
  return text.split(/(?<=[.:;])(?: |$)| ?@\w+/)[0]!.replace(/[.:;]$/, '');
}
