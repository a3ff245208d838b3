SELECT ind, country, timestamp FROM geo ORDER BY ind
