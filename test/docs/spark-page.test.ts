import { ArrowRDD, RDD, SheafContext } from 'sheaf';
import { describe, expect, it } from 'vitest';
import { namesOf, publicMembers } from '../support/api-members.js';
import { SPARK } from '../support/spark-api.js';
import methods from '../support/spark-methods.json' with { type: 'json' };
import { calledOn, sparkPage } from '../support/spark-page.js';

describe('docs/spark.md', () => {
  it('is what the table of methods and the classes say; -u writes it anew', async () => {
    await expect(sparkPage()).toMatchFileSnapshot('../../docs/spark.md');
  });

  it("has every method of Spark's, and no other", () => {
    const named = SPARK.map(({ name, methods }) => [name, Object.keys(methods).sort()]);
    expect(Object.fromEntries(named)).toEqual(methods);
  });

  it('names methods that exist', () => {
    const rdd = new Set([...namesOf(RDD), 'context']);
    expect(calledOn('rdd').filter((name) => !rdd.has(name))).toEqual([]);
    expect(calledOn('sc').filter((name) => !namesOf(SheafContext).has(name))).toEqual([]);
  });

  it('names every public method, and says what it is for', () => {
    const page = sparkPage();
    const members = publicMembers(ArrowRDD);
    expect(members.length).toBeGreaterThan(80);
    expect(members.filter(({ name }) => !page.includes(`rdd.${name}`) && !page.includes(`| \`${name}\` | `))).toEqual(
      [],
    );
    const called = new Set(calledOn('rdd'));
    expect(members.filter(({ name, about }) => !called.has(name) && about === '')).toEqual([]);
  });
});
