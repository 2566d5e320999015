MODEL (
  name dw.account,
  kind SCD_TYPE_2_BY_COLUMN (
    unique_key id,
    columns [name, email, phone, segment, tier, region, city, country, credit_limit, balance, is_active, opened_on]
  ),
  cron '@daily'
);

SELECT
  id::TEXT AS id,
  name::TEXT AS name,
  email::TEXT AS email,
  phone::TEXT AS phone,
  segment::TEXT AS segment,
  tier::TEXT AS tier,
  region::TEXT AS region,
  city::TEXT AS city,
  country::TEXT AS country,
  credit_limit::DECIMAL(20, 4) AS credit_limit,
  balance::DECIMAL(20, 4) AS balance,
  is_active::BOOLEAN AS is_active,
  opened_on::DATE AS opened_on
FROM crm.account
