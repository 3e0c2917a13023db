-- A small web shop: the sample data of scripts/demo.

CREATE TYPE order_status AS ENUM ('new', 'paid', 'shipped', 'returned');
CREATE EXTENSION hstore;

CREATE TABLE customers (
    id         integer PRIMARY KEY,
    name       text NOT NULL,
    email      varchar(100) UNIQUE,
    born       date,
    tags       text[],
    attributes hstore
);

CREATE TABLE orders (
    id          bigint PRIMARY KEY,
    customer_id integer NOT NULL REFERENCES customers,
    status      order_status NOT NULL,
    total       numeric(12, 2) NOT NULL,
    placed_at   timestamptz NOT NULL,
    delivery    interval,
    details     jsonb,
    quantities  integer[]
);

CREATE TABLE events (
    id          uuid NOT NULL,
    happened_at timestamptz NOT NULL,
    customer_id integer,
    kind        text NOT NULL,
    duration_ms double precision,
    payload     jsonb,
    PRIMARY KEY (happened_at, id)
) PARTITION BY RANGE (happened_at);
CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');

CREATE VIEW "Revenue per month" AS
    SELECT date_trunc('month', placed_at) AS "Month", sum(total) AS "Revenue, net"
    FROM orders WHERE status <> 'returned' GROUP BY 1;

INSERT INTO customers
    SELECT i, 'Customer № ' || i, 'customer' || i || '@example.com', date '1950-01-01' + i * 7 % 20000,
           CASE WHEN i % 3 = 0 THEN ARRAY['early bird', 'vip "gold"'] END,
           hstore('language', (ARRAY['en', 'de', NULL])[i % 3 + 1])
    FROM generate_series(1, 1000) i;

INSERT INTO orders
    SELECT i, i % 1000 + 1, (enum_range(NULL::order_status))[i % 4 + 1], i % 50000 / 7.0,
           timestamptz '2025-01-01 09:30+01' + i * interval '37 minutes 0.125 seconds',
           i % 72 * interval '1 hour', jsonb_build_object('gift', i % 10 = 0, 'note', 'Order ' || i),
           ARRAY[i % 5, NULL, i % 3]
    FROM generate_series(1, 20000) i;

INSERT INTO events
    SELECT md5(i::text)::uuid, timestamptz '2025-01-01 UTC' + i * interval '3 minutes', i % 1000 + 1,
           (ARRAY['view', 'click', 'buy'])[i % 3 + 1], i % 1000 / 8.0, jsonb_build_object('page', '/item/' || i % 500)
    FROM generate_series(0, 299999) i;

ANALYZE;
