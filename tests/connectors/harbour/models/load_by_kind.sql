{{ config(materialized="table") }}
SELECT kind, sum(tons)::bigint AS tons
FROM {{ source("strandline", "fact_mooring_call") }}
JOIN {{ source("strandline", "dim_mooring") }} USING (mooring_key)
GROUP BY kind
