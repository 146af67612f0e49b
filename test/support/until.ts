import { setTimeout as sleep } from 'node:timers/promises';

/** Waits for what others bring about. @returns the condition's first truthy value. @throws Error after `ms` */
export async function until<T>(
  what: string,
  condition: () => T | Promise<T>,
  ms = 20_000,
): Promise<Exclude<T, false | undefined | null | 0 | ''>> {
  for (const end = Date.now() + ms; ; await sleep(10)) {
    const value = await condition();
    if (value) return value as never;
    if (Date.now() > end) throw new Error(`waited ${ms / 1000} s in vain: ${what}`);
  }
}
