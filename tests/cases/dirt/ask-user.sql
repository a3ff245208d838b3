SELECT ind, user_name, age, date_joined FROM user ORDER BY ind
