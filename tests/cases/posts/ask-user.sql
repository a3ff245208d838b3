SELECT ind, age, date_joined FROM user ORDER BY ind
