# What `cmake --install` leaves behind (filled below).
