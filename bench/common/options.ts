/** @throws Error naming the flag, when its value is no whole number of at least `least` */
export function whole(name: string, given: string | undefined, otherwise: number, least: number): number {
  const value = given === undefined ? otherwise : Number(given);
  if (!Number.isInteger(value) || value < least)
    throw new Error(`${name} must be a whole number of at least ${least}, not "${given}"`);
  return value;
}

/** @throws Error naming the flag and what there is, when nothing has the name */
export function named<T extends { readonly id: string }>(flag: string, all: readonly T[], name: string): T {
  const found = all.find(({ id }) => id === name);
  if (!found) throw new Error(`${flag}: there is no "${name}"; there are ${all.map(({ id }) => id).join(', ')}`);
  return found;
}
