// expect: broken
#error broken in both twins
