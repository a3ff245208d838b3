SELECT aggregate, late FROM tidemill_aggregates ORDER BY aggregate
