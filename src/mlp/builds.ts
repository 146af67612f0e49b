import { isDeepStrictEqual } from 'node:util';

/** Fingerprints of what computes a training, each once and sorted: slots of one fingerprint compute equal bits. */
export type Builds = readonly string[];

export const buildsOf = (fingerprints: Iterable<string>): Builds => [...new Set(fingerprints)].sort();

/**
 * What to say where a training goes on with other builds than before: after a checkpoint, or on the slots that are left
 * after a loss.
 *
 * @param what is trained, and how far it has come
 * @param before empty where it is not known, or nothing has been computed
 * @returns undefined where they are the same
 */
export function changeOfBuilds(what: string, before: Builds, now: Builds): string | undefined {
  if (before.length === 0 || isDeepStrictEqual(before, now)) return undefined;
  return (
    `${what}: until here it was computed by ${before.join(' and ')}, from here on by ${now.join(' and ')}, so its weights may ` +
    'differ in their last bits from those of a training that was not interrupted; for equal bits go on where the former computes'
  );
}
