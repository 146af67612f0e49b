/** What a machine or a process lacks, and what to do. */
export interface Lack {
  readonly reason: string;
  readonly advice: string;
}

/** @example lackText({ reason: 'it is off', advice: 'switch it on' }) // => 'it is off. To mend it: switch it on' */
export function lackText({ reason, advice }: Lack): string {
  return `${reason}. To mend it: ${advice}`;
}
