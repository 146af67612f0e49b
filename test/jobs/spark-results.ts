/** What the same programs in PySpark 4.3.0, local[2], gave for the same data, written to files of JSON lines. */
export const SPARK = {
  wordCount: { words: 1589, different: 441, first: ['the', 100] },
  pageRank: [
    [0, 47.85486096984076],
    [1, 20.855006478742215],
    [15, 12.08403068204779],
    [2, 11.907777878227263],
    [3, 10.347476949739285],
  ],
  skewedJoin: [
    ['CH', 562093],
    ['DE', 12285],
    ['FR', 11899],
    ['IT', 11593],
    ['JP', 13039],
  ],
  transitiveClosure: 732,
  logAnalysis: {
    requests: 4950,
    badLines: 50,
    bytesByStatus: [
      [200, { requests: 4237, bytes: 21781721 }],
      [404, { requests: 465, bytes: 0 }],
      [500, { requests: 248, bytes: 0 }],
    ],
    visits: 2502,
    mostVisits: [
      ['user13', 20],
      ['user49', 20],
      ['user6', 20],
    ],
  },
  /** By station, from 0. */
  secondarySort: [16, 31, 14, 9, 14, 13, 13, 13, 15, 21, 12, 12, 15, 9, 12, 10, 19, 14, 12, 10],
};
