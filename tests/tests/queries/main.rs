//! Named queries of a pipeline that runs: answers by pages, change feeds, reads beside commits.

mod answers;
mod feeds;
mod reads;
mod watch;

use tidemill_tests::place::changeling;
use tidemill_tests::things::House;

/// Named queries over the things of a house.
const QUERIES: &str = "[queries.marks]\nquery = \"SELECT mark, count(*) AS things, max(ind) AS last FROM thing GROUP BY 1\"\n\
     [queries.numbers]\nquery = \"SELECT ind, ind % 2 = 0 AS even, mark FROM thing ORDER BY ind DESC\"\n\
     [queries.endless]\nquery = \"WITH RECURSIVE t (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT max(n) AS n FROM t\"\n\
     [topics.thing]";

/// A pipeline that has them.
fn house(name: &str) -> House {
    House::with(name, &changeling("good"), &[("[topics.thing]", QUERIES)])
}

/// The values of things from one number to before another.
fn things(from: u64, to: u64) -> Vec<String> {
    (from..to).map(|ind| format!("{{\"ind\":{ind}}}")).collect()
}
