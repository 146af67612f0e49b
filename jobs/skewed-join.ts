/**
 * Joins clicks with users where one user has nine tenths of all clicks.
 *
 * Shows: a join under heavy skew, which the engine splits by itself where it pays (sheaf.skew.bytes), and Spark's remedies
 * beside it: a broadcast of the small side, and salted keys.
 * Data: --clicks generated clicks (default 20,000) of 1,000 users in five countries.
 * Expected: the three ways give the same sums by country; user 0's country has more than nine tenths of the clicks.
 */
import { parseArgs } from 'node:util';
import type { RDD, SheafContext } from 'sheaf';
import { random } from './support/random.js';

const USERS = 1000;
const SALTS = 8;
const COUNTRIES = ['CH', 'DE', 'FR', 'IT', 'JP'];

export default async function main(sc: SheafContext, args: string[]) {
  const { values } = parseArgs({ args, options: { clicks: { type: 'string', default: '20000' } } });
  const clicks = sc.range(0, Number(values.clicks)).map(clickOf);
  const users = sc.range(0, USERS).map((user) => [user, countryOf(user)]);

  const joined = clicks.join(users).values();

  const countries = sc.broadcast(await users.collectAsMap());
  const looked = clicks.map(([user, seconds]) => [seconds, countries.value.get(user)!]);

  const salted = clicks
    .map(([user, seconds]) => [[user, seconds % SALTS], seconds])
    .join(
      users.flatMap(([user, country]) =>
        Array.from({ length: SALTS }, (_, salt): [[number, number], string] => [[user, salt], country]),
      ),
    )
    .values();

  return {
    joined: await secondsByCountry(joined),
    broadcast: await secondsByCountry(looked),
    salted: await secondsByCountry(salted),
  };
}

function secondsByCountry(rows: RDD<[seconds: number, country: string]>) {
  return rows
    .map(([seconds, country]) => [country, seconds])
    .reduceByKey((a, b) => a + b)
    .sortByKey()
    .collect();
}

/** The user, and the seconds until the next click. */
export function clickOf(i: number): [user: number, seconds: number] {
  const next = random(i);
  return [next() < 0.9 ? 0 : Math.floor(USERS * next()), 1 + Math.floor(60 * next())];
}

export function countryOf(user: number): string {
  return COUNTRIES[user % COUNTRIES.length]!;
}
